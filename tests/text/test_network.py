"""Static vectors and dense layers."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from skgnnrec.text import TextEmbedder
from skgnnrec.text._model import load_model

TITLES = ["red coffee mug", "garden hose", "crimson tea cup", "hose reel", "mug"]
WORDS = ["[UNK]", "red", "mug", "hose"]
TABLE = torch.tensor([[9.0, 9.0], [1.0, 0.0], [0.0, 2.0], [3.0, 3.0]])


def load(folder, dtype=torch.float32, **options):
    settings = {"revision": None, "trust_remote_code": False, "device": torch.device("cpu"), "dtype": dtype}
    return load_model(folder, **settings, **options)


# Static vectors ---------------------------------------------------------------------------------------------


def make_static(folder, weights, modules=None, **config):
    folder.mkdir()
    tokenizer = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(weights, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec", **config}))
    if modules:
        (folder / "modules.json").write_text(json.dumps(modules))
    return folder


def test_model2vec_known_answers(tmp_path):
    folder = make_static(tmp_path / "static", {"embeddings": TABLE}, normalize=False)
    vectors = TextEmbedder(folder).fit_transform(["red mug", "hose", "red shoe", "shoe", None])
    np.testing.assert_allclose(vectors, [[0.5, 1.0], [3.0, 3.0], [1.0, 0.0], [0.0, 0.0], [0.0, 0.0]])
    unit = TextEmbedder(folder, normalize=True, truncate_dim=1).fit_transform(["red mug"])
    np.testing.assert_allclose(unit, [[1.0]])


def test_model2vec_with_shared_vectors_and_weights(tmp_path):
    weights = {"embeddings": TABLE[2:], "mapping": torch.tensor([0, 1, 0, 1]), "weights": torch.arange(4.0)}
    folder = make_static(tmp_path / "static", weights, normalize=True)
    vectors = TextEmbedder(folder, normalize=False).fit_transform(["red", "mug", "hose"])
    np.testing.assert_allclose(vectors, [[3.0, 3.0], [0.0, 4.0], [9.0, 9.0]])
    assert np.allclose(np.linalg.norm(TextEmbedder(folder).fit_transform(["red", "mug"]), axis=1), 1)


def test_static_vectors_of_sentence_transformers(tmp_path):
    modules = [{"type": "sentence_transformers.models.StaticEmbedding", "path": ""}]
    folder = make_static(tmp_path / "static", {"embedding.weight": TABLE}, modules)
    vectors = TextEmbedder(folder).fit_transform(["red mug", "red shoe"])
    np.testing.assert_allclose(vectors, [[0.5, 1.0], [5.0, 4.5]])


def test_static_vectors_read_to_their_limit(tmp_path):
    folder = make_static(tmp_path / "static", {"embeddings": TABLE}, max_length=2)
    np.testing.assert_allclose(TextEmbedder(folder, normalize=False).fit_transform(["mug mug red red"]), [[0.0, 2.0]])
    assert load(folder).max_length == 2


def test_static_vectors_agree_with_model2vec(tmp_path):
    package = pytest.importorskip("model2vec", reason="the reference is not installed")
    folder = make_static(tmp_path / "static", {"embeddings": TABLE.half()}, normalize=True)
    texts = ["red mug", "hose", "red shoe", "mug mug mug hose"]
    expected = package.StaticModel.from_pretrained(folder).encode(texts)
    np.testing.assert_allclose(TextEmbedder(folder).fit_transform(texts), expected, atol=1e-3)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ({"other": TABLE}, r"must have 'embeddings' or 'embedding.weight', got \['other'\]"),
        ({"embeddings": TABLE[0]}, r"must have a table of vectors, got one of shape \(2,\)"),
        ({"embeddings": TABLE[:0]}, r"must have a table of vectors, got one of shape \(0, 2\)"),
        ({"embeddings": TABLE, "mapping": torch.tensor([0, 9])}, "must have tensors that fit each other"),
        ({"embeddings": TABLE, "weights": torch.ones(3)}, "must have tensors that fit each other"),
    ],
)
def test_tables_that_do_not_fit_are_refused(tmp_path, weights, match):
    folder = make_static(tmp_path / "static", weights)
    with pytest.raises(ValueError, match=match):
        TextEmbedder(folder).fit(TITLES)


def test_a_tokenizer_that_cannot_be_read_is_refused(tmp_path):
    folder = make_static(tmp_path / "static", {"embeddings": TABLE})
    (folder / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match=r"tokenizer.json' must hold a tokenizer, got"):
        TextEmbedder(folder).fit(TITLES)


def test_tokens_beyond_the_table_are_refused(tmp_path):
    folder = make_static(tmp_path / "static", {"embeddings": TABLE[:3]})
    assert TextEmbedder(folder).fit_transform(["red mug"]).shape == (1, 2)
    with pytest.raises(ValueError, match="The network of the model has 3 tokens, its tokenizer gave token 3"):
        TextEmbedder(folder).fit_transform(["hose"])


# Dense layers -----------------------------------------------------------------------------------------------


@pytest.fixture
def with_dense(tiny_model, tmp_path):
    folder = shutil.copytree(tiny_model, tmp_path / "model")
    steps = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Dense", "2_Dense"), ("Normalize", "3_Normalize")]
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(steps)
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    for name in ("1_Pooling", "2_Dense"):
        (folder / name).mkdir()
    pooling = {"word_embedding_dimension": 32, "pooling_mode_mean_tokens": True}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    state_dense(folder)
    torch.manual_seed(0)
    weights = {"linear.weight": torch.randn(6, 32), "linear.bias": torch.randn(6)}
    save_file(weights, folder / "2_Dense" / "model.safetensors")
    return folder


def state_dense(folder, **changed):
    stated = {"in_features": 32, "out_features": 6, "bias": True}
    stated["activation_function"] = "torch.nn.modules.activation.Tanh"
    (folder / "2_Dense" / "config.json").write_text(json.dumps({**stated, **changed}))


def test_dense_layers_follow_pooling(tiny_model, with_dense):
    pooled = TextEmbedder(tiny_model, normalize=False, dtype="float32").fit_transform(TITLES)
    model = load(with_dense)
    expected = torch.tanh(model.head[0](torch.tensor(pooled))).numpy()
    embedder = TextEmbedder(with_dense, normalize=False, dtype="float32")
    np.testing.assert_allclose(embedder.fit_transform(TITLES), expected, atol=1e-5)
    assert embedder.embedding_dim_ == embedder.fit(TITLES).embedding_dim_ == model.embedding_dim == 6


def test_dense_layers_agree_with_sentence_transformers(with_dense):
    package = pytest.importorskip("sentence_transformers", reason="the reference is not installed")
    expected = package.SentenceTransformer(str(with_dense), device="cpu").encode(TITLES)
    np.testing.assert_allclose(TextEmbedder(with_dense, dtype="float32").fit_transform(TITLES), expected, atol=1e-5)


@pytest.mark.parametrize(
    "changed",
    [{"activation_function": "evil.Code"}, {"use_residual": True}, {"module_input_name": "token_embeddings"}],
)
def test_other_dense_layers_are_refused(with_dense, changed):
    state_dense(with_dense, **changed)
    with pytest.raises(ValueError, match=r"2_Dense/config.json' must describe a layer of the pooled vector .* got \{"):
        TextEmbedder(with_dense).fit(TITLES)


def test_pickled_dense_layers_are_not_read(with_dense):
    (with_dense / "2_Dense" / "model.safetensors").rename(with_dense / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"must have the file '2_Dense/model.safetensors'"):
        TextEmbedder(with_dense).fit(TITLES)


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ({}, r"must have a matrix 'linear.weight', got \{\}"),
        ({"linear.weight": torch.ones(3)}, "must have a matrix 'linear.weight'"),
        ({"linear.weight": torch.ones(6, 32), "linear.bias": torch.ones(5)}, "must have the tensors of a linear layer"),
        ({"linear.weight": torch.ones(6, 32), "other": torch.ones(5)}, "must have the tensors of a linear layer"),
    ],
)
def test_dense_weights_that_do_not_fit_are_refused(with_dense, weights, match):
    save_file(weights, with_dense / "2_Dense" / "model.safetensors")
    with pytest.raises(ValueError, match=match):
        TextEmbedder(with_dense).fit(TITLES)
