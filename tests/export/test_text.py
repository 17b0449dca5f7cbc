"""Text embedders as graphs of ONNX: the tokens of texts give the vectors of `transform`."""

import json

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from safetensors.numpy import save_file
from sklearn.exceptions import NotFittedError
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

from skgnnrec import MaskedLMFineTuner, TextEmbedder
from skgnnrec.export import to_onnx

pytest.importorskip("onnxscript", reason="the extra export is not installed")

WORDS = ["[PAD]", "[UNK]", "[MASK]", "red", "blue", "tea", "mug", "pot", "garden", "hose"]
TEXTS = ["red tea mug", "blue pot", "garden hose garden hose red", "mug"]
N_DIMENSIONS = 16


def write_tokenizer(folder):
    backend = Tokenizer(WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = Whitespace()
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "mask_token": "[MASK]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=32, **special).save_pretrained(folder)


@pytest.fixture(scope="module")
def network_model(tmp_path_factory):
    """Save a random BERT of 16 dimensions."""
    folder = tmp_path_factory.mktemp("bert")
    write_tokenizer(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": N_DIMENSIONS, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    config = BertConfig(vocab_size=len(WORDS), max_position_embeddings=32, initializer_range=0.2, **sizes)
    BertModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def static_model(tmp_path_factory):
    """Save a table of vectors, one for each word, as model2vec does."""
    folder = tmp_path_factory.mktemp("static")
    write_tokenizer(folder)
    table = np.random.default_rng(0).standard_normal((len(WORDS), N_DIMENSIONS), dtype=np.float32)
    save_file({"embeddings": table}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "model2vec"}))
    return folder


def tokens(folder, texts):
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.enable_padding()
    encoded = tokenizer.encode_batch(texts)
    return {
        "input_ids": np.array([each.ids for each in encoded]),
        "attention_mask": np.array([each.attention_mask for each in encoded]),
    }


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"pooling": "cls", "normalize": False},
        {"pooling": "max", "truncate_dim": 5},
        {"pooling": "last"},
        {"pooling": "weighted_mean"},
    ],
    ids=str,
)
def test_vectors_of_a_network(network_model, path, run, settings):
    embedder = TextEmbedder(network_model, dtype="float32", cache=None, **settings).fit(TEXTS)
    to_onnx(embedder, path)
    for texts in (TEXTS, TEXTS[:1]):
        (vectors,) = run(**tokens(network_model, texts))
        assert vectors.dtype == np.float32
        assert_allclose(vectors, embedder.transform(texts), atol=1e-5)


def test_vectors_of_a_static_model(static_model, path, run):
    embedder = TextEmbedder(static_model, cache=None).fit(TEXTS)
    to_onnx(embedder, path)
    (vectors,) = run(**tokens(static_model, [*TEXTS, "tea unknown pot"]))
    assert_allclose(vectors, embedder.transform([*TEXTS, "tea unknown pot"]), atol=1e-5)


def test_vectors_of_a_fine_tuner(network_model, path, run):
    embedder = TextEmbedder(network_model, dtype="float32", cache=None)
    tuner = MaskedLMFineTuner(embedder, max_iter=1, batch_size=4, mask_probability=0.5).fit(TEXTS)
    before = tuner.transform(TEXTS)
    to_onnx(tuner, path)
    assert_allclose(run(**tokens(network_model, TEXTS))[0], before, atol=1e-5)
    assert_allclose(tuner.transform(TEXTS), before)


def test_an_embedder_must_be_fitted(network_model, path):
    with pytest.raises(NotFittedError, match="is not fitted yet"):
        to_onnx(TextEmbedder(network_model), path)
