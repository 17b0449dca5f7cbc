"""Static vectors, dense layers, packed layers, and which networks look ahead."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from skgnnrec.text import TextEmbedder, _network
from skgnnrec.text._model import load_model
from skgnnrec.text._network import PackedLinear, is_causal, pack_linears

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
    with pytest.raises(ValueError, match="dense layer that is not supported, '2_Dense'"):
        TextEmbedder(with_dense).fit(TITLES)


def test_pickled_dense_layers_are_not_read(with_dense):
    (with_dense / "2_Dense" / "model.safetensors").rename(with_dense / "2_Dense" / "pytorch_model.bin")
    with pytest.raises(OSError, match=r"must have the file '2_Dense/model.safetensors'"):
        TextEmbedder(with_dense).fit(TITLES)


# Networks ---------------------------------------------------------------------------------------------------


def test_decoders_take_their_last_token(tiny_model, tiny_decoder, tiny_encoder_decoder):
    for folder, expected in ((tiny_model, False), (tiny_decoder, True), (tiny_encoder_decoder, False)):
        model = load(folder)
        assert is_causal(model.network, model.device) is expected
        assert model.pooling == ("last" if expected else "mean")
    automatic = TextEmbedder(tiny_decoder, dtype="float32").fit_transform(TITLES)
    last = TextEmbedder(tiny_decoder, pooling="last", dtype="float32").fit_transform(TITLES)
    np.testing.assert_array_equal(automatic, last)


def can_pack(dtype):
    return _network._can_pack(torch.zeros(1, dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_packed_layers_change_no_more_than_rounding(tiny_model, dtype):
    if not can_pack(dtype):
        pytest.skip("this processor takes no packed layers")
    tokens = torch.arange(24).reshape(4, 6)
    with torch.inference_mode():
        plain, packed = (load(tiny_model, dtype, packed=packed).network for packed in (False, True))
        expected, vectors = (network(input_ids=tokens).last_hidden_state for network in (plain, packed))
    assert sum(isinstance(module, PackedLinear) for module in packed.modules()) == 13
    assert not any(isinstance(module, PackedLinear) for module in plain.modules())
    tolerance = 1e-5 if dtype is torch.float32 else 0.1
    torch.testing.assert_close(vectors, expected, atol=tolerance, rtol=0)


class Wrong(PackedLinear):
    def forward(self, x):
        return super().forward(x) + 1


class Failing(PackedLinear):
    def forward(self, x):
        raise RuntimeError("no such operator")


@pytest.mark.skipif(not can_pack(torch.float32), reason="this processor takes no packed layers")
@pytest.mark.parametrize("packed", [Wrong, Failing])
def test_packing_that_does_not_work_is_taken_back(tiny_model, monkeypatch, packed):
    network = load(tiny_model, torch.float32).network
    before = dict(network.named_modules())
    monkeypatch.setattr(_network, "PackedLinear", packed)
    assert pack_linears(network) is False
    assert dict(network.named_modules()) == before


def test_a_model_to_be_trained_is_not_packed(tiny_model, tmp_path):
    embedder = TextEmbedder(shutil.copytree(tiny_model, tmp_path / "model"), dtype="bfloat16").fit(TITLES)
    with torch.inference_mode():  # whoever asks first: the network is kept, and may be trained by another
        network = embedder._load_model("float32").network
    assert network.dtype is torch.float32
    network(input_ids=torch.ones((1, 3), dtype=torch.int64)).last_hidden_state.sum().backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "layer" in name)
    network.zero_grad()


# Fewer digits ----------------------------------------------------------------------------------------------


@pytest.fixture
def native_bfloat16(monkeypatch):
    """Let the processor compute in bfloat16, whatever it is."""
    monkeypatch.setattr("skgnnrec._device._computes_bfloat16", lambda device: True)


@pytest.mark.usefixtures("native_bfloat16")
def test_auto_takes_bfloat16_only_where_the_model_bears_it(tiny_model, tmp_path):
    def dtype_of(folder, dtype="auto"):
        return TextEmbedder(folder, dtype=dtype)._load_model(packed=True).network.dtype

    assert dtype_of(tiny_model) is torch.bfloat16
    # What the first norm subtracts again takes all the digits.
    fragile = shutil.copytree(tiny_model, tmp_path / "model")
    weights = load_file(fragile / "model.safetensors")
    weights["embeddings.word_embeddings.weight"] += 1000
    save_file(weights, fragile / "model.safetensors", {"format": "pt"})
    assert dtype_of(fragile) is torch.float32
    assert dtype_of(fragile, "bfloat16") is torch.bfloat16
    config = json.loads((fragile / "config.json").read_text())
    (fragile / "config.json").write_text(json.dumps({**config, "dtype": "bfloat16"}))
    assert dtype_of(fragile) is torch.bfloat16


@pytest.mark.usefixtures("native_bfloat16")
def test_any_network_is_asked(tiny_decoder, tiny_encoder_decoder):
    for folder in (tiny_decoder, tiny_encoder_decoder):
        assert np.isfinite(TextEmbedder(folder).fit_transform(TITLES)).all()


@pytest.mark.usefixtures("native_bfloat16")
def test_minilm_bears_bfloat16(minilm):
    assert TextEmbedder(minilm)._load_model(packed=True).network.dtype is torch.bfloat16
