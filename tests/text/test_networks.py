"""Copies of networks that learn: the vectors they start with, and where their weights go."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.text import TextEmbedder
from skgnnrec.text._layout import Layout
from skgnnrec.text.networks import TrainableEncoder, save_model

TITLES = ["red coffee mug", "garden hose", "a mug", "hose reel", "x"]


def make_encoder(reader, lora_rank=None):
    return TrainableEncoder(reader.fit(TITLES)._load_model("float32"), reader, lora_rank, 0)


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
@pytest.mark.parametrize("batch_tokens", [4, 4096])
def test_it_starts_with_the_vectors_of_the_embedder(tiny_model, pooling, batch_tokens):
    reader = TextEmbedder(
        tiny_model, pooling=pooling, normalize=False, prompt="a: ", batch_tokens=batch_tokens, dtype="float32"
    )
    encoder = make_encoder(reader)
    with torch.no_grad():
        vectors = encoder.embed(encoder.tokenize(TITLES)).numpy()
    assert_allclose(vectors, reader.transform(TITLES), atol=1e-5)


def test_lora_starts_with_the_vectors_of_the_embedder(tiny_model):
    pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    reader = TextEmbedder(tiny_model, normalize=False, dtype="float32")
    encoder = make_encoder(reader, lora_rank=2)
    with torch.no_grad():
        assert_allclose(encoder.embed(encoder.tokenize(TITLES)), reader.transform(TITLES), atol=1e-5)
    assert all("lora" in name for name, value in encoder.network.named_parameters() if value.requires_grad)


@pytest.mark.parametrize("lora_rank", [None, 2])
def test_learned_weights_give_the_learned_vectors(tiny_model, lora_rank):
    if lora_rank:
        pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    reader = TextEmbedder(tiny_model, normalize=False, dtype="float32")
    encoder = make_encoder(reader, lora_rank)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.05)
        expected = encoder.embed(encoder.tokenize(TITLES)).numpy()
    learned, base = encoder.learned(), reader._load_model("float32")
    model = learned.put_into(base, "float32")
    assert_allclose(reader._embed(model, TITLES, fitting=False), expected, atol=1e-5)
    assert np.abs(expected - reader.transform(TITLES)).max() > 0.1
    assert learned.put_into(base, "float32") is model
    assert learned.put_into(base, "bfloat16").network.dtype == torch.bfloat16


def test_gradients_do_not_depend_on_the_batches(tiny_model):
    gradients = []
    for batch_tokens in (4, 4096):
        encoder = make_encoder(TextEmbedder(tiny_model, batch_tokens=batch_tokens, dtype="float32"))
        encoder.embed(encoder.tokenize(TITLES))[:, 0].sum().backward()
        gradients.append(encoder.parameters()[0].grad.numpy())
    assert_allclose(gradients[0], gradients[1], atol=1e-5)
    assert gradients[0].any()


def test_decoders_can_be_trained(tiny_decoder):
    reader = TextEmbedder(tiny_decoder, pooling="last", normalize=False, dtype="float32")
    encoder = make_encoder(reader)
    with torch.no_grad():
        assert_allclose(encoder.embed(encoder.tokenize(TITLES)), reader.transform(TITLES), atol=1e-5)


def test_the_pooler_that_nothing_reads_is_left_out(tiny_model):
    encoder = make_encoder(TextEmbedder(tiny_model))
    learned = encoder.learned().arrays
    assert not any("pooler" in name for name in learned)
    assert encoder.n_trainable == sum(array.size for array in learned.values())


def test_static_models_have_nothing_to_train(tiny_model):
    reader = TextEmbedder(tiny_model, dtype="float32").fit(TITLES)
    base = reader._load_model("float32")
    with pytest.raises(ValueError, match="is static, a table of vectors: nothing to train"):
        TrainableEncoder(replace(base, layout=Layout(is_static=True)), reader, None, 0)


def test_prompt_and_dense_layers_take_part_and_are_saved(tiny_model, tmp_path):
    reader = TextEmbedder(tiny_model, dtype="float32", prompt="a: ", pooling="cls").fit(TITLES)
    torch.manual_seed(0)
    head = torch.nn.Sequential(torch.nn.Linear(32, 8), torch.nn.Tanh()).requires_grad_(False)
    base = replace(reader._load_model("float32"), head=head, embedding_dim=8)
    encoder = TrainableEncoder(base, reader, None, 0)
    with torch.no_grad():
        expected = torch.nn.functional.normalize(encoder.embed(encoder.tokenize(TITLES)), dim=1)
    assert expected.shape == (5, 8)
    save_model(base, reader, tmp_path)
    assert_allclose(TextEmbedder(tmp_path, dtype="float32").fit_transform(TITLES), expected, atol=1e-5)


def test_bfloat16_keeps_its_weights_in_float32(tiny_model):
    encoder = make_encoder(TextEmbedder(tiny_model, dtype="bfloat16"))
    vectors = encoder.embed(encoder.tokenize(TITLES))
    vectors.sum().backward()
    assert vectors.dtype == torch.float32
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    exact = make_encoder(TextEmbedder(tiny_model, dtype="float32"))
    with torch.no_grad():
        assert_allclose(vectors.detach(), exact.embed(exact.tokenize(TITLES)), atol=0.1)


def test_order_is_kept(tiny_model):
    encoder = make_encoder(TextEmbedder(tiny_model, dtype="float32", batch_tokens=8))
    token_ids = encoder.tokenize(TITLES)
    with torch.no_grad():
        vectors, reverse = encoder.embed(token_ids), encoder.embed(token_ids[::-1])
    assert_array_equal(vectors.argsort(dim=1), reverse.flip(0).argsort(dim=1))
