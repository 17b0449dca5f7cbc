"""Encoders in training: the vectors they start with, their parameters and gradients."""

from dataclasses import replace

import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.text import TextEmbedder
from skgnnrec.text._layout import Layout
from skgnnrec.text.finetuning._encoder import TrainableEncoder

TITLES = ["red coffee mug", "garden hose", "a mug", "hose reel", "x"]


@pytest.mark.parametrize("pooling", ["mean", "cls", "max", "last"])
@pytest.mark.parametrize("batch_tokens", [4, 4096])
def test_an_encoder_starts_with_the_vectors_of_the_embedder(tiny_model, pooling, batch_tokens, make_encoder):
    reader = TextEmbedder(
        tiny_model, pooling=pooling, normalize=False, prompt="a: ", batch_tokens=batch_tokens, dtype="float32"
    )
    encoder = make_encoder(reader)
    with torch.no_grad():
        vectors = encoder.embed(encoder.tokenize(TITLES)).numpy()
    assert_allclose(vectors, reader.fit_transform(TITLES), atol=1e-5)


def test_lora_starts_with_the_vectors_of_the_embedder(tiny_model, make_encoder):
    pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    reader = TextEmbedder(tiny_model, normalize=False, dtype="float32")
    encoder = make_encoder(reader, lora_rank=2)
    with torch.no_grad():
        assert_allclose(encoder.embed(encoder.tokenize(TITLES)), reader.fit_transform(TITLES), atol=1e-5)
    assert all("lora" in name for name, value in encoder.network.named_parameters() if value.requires_grad)


def test_gradients_do_not_depend_on_the_batches(tiny_model, make_encoder):
    gradients = []
    for batch_tokens in (4, 4096):
        encoder = make_encoder(TextEmbedder(tiny_model, batch_tokens=batch_tokens, dtype="float32"))
        encoder.embed(encoder.tokenize(TITLES))[:, 0].sum().backward()
        gradients.append(encoder.parameters()[0].grad.numpy())
    assert_allclose(gradients[0], gradients[1], atol=1e-5)
    assert gradients[0].any()


def test_decoders_can_be_trained(tiny_decoder, make_encoder):
    reader = TextEmbedder(tiny_decoder, pooling="last", normalize=False, dtype="float32")
    encoder = make_encoder(reader)
    with torch.no_grad():
        assert_allclose(encoder.embed(encoder.tokenize(TITLES)), reader.fit_transform(TITLES), atol=1e-5)


def test_an_unused_pooler_is_not_trained(tiny_model, make_encoder):
    encoder = make_encoder(TextEmbedder(tiny_model))
    learned = encoder.learned().arrays
    assert not any("pooler" in name for name in learned)
    assert encoder.n_trainable == sum(array.size for array in learned.values())


def test_static_models_are_refused(tiny_model, base_of):
    reader = TextEmbedder(tiny_model, dtype="float32")
    base = base_of(reader)
    with pytest.raises(ValueError, match="must be a network that can be trained, got a static model"):
        TrainableEncoder(replace(base, layout=Layout(is_static=True)), reader, None, 0)


def test_weights_stay_float32_in_bfloat16(tiny_model, make_encoder):
    encoder = make_encoder(TextEmbedder(tiny_model, dtype="bfloat16"))
    vectors = encoder.embed(encoder.tokenize(TITLES))
    vectors.sum().backward()
    assert vectors.dtype == torch.float32
    assert {parameter.dtype for parameter in encoder.parameters()} == {torch.float32}
    exact = make_encoder(TextEmbedder(tiny_model, dtype="float32"))
    with torch.no_grad():
        assert_allclose(vectors.detach(), exact.embed(exact.tokenize(TITLES)), atol=0.1)


def test_order_is_kept(tiny_model, make_encoder):
    encoder = make_encoder(TextEmbedder(tiny_model, dtype="float32", batch_tokens=8))
    token_ids = encoder.tokenize(TITLES)
    with torch.no_grad():
        vectors, reverse = encoder.embed(token_ids), encoder.embed(token_ids[::-1])
    assert_array_equal(vectors.argsort(dim=1), reverse.flip(0).argsort(dim=1))


def test_texts_without_tokens_of_their_own_have_none(tiny_model, make_encoder):
    for prompt in ("", "a: "):
        encoder = make_encoder(TextEmbedder(tiny_model, prompt=prompt, dtype="float32"))
        assert [len(ids) > 0 for ids in encoder.tokenize(["", "\u0301", "mug"])] == [False, False, True]


def test_prompt_and_maximal_length_are_those_of_the_embedder(tiny_model, make_encoder):
    plain = make_encoder(TextEmbedder(tiny_model, dtype="float32"))
    prompted = make_encoder(TextEmbedder(tiny_model, prompt="a: ", max_length=6, dtype="float32"))
    for ids, expected in zip(
        prompted.tokenize(TITLES), plain.tokenize([f"a: {title}" for title in TITLES]), strict=True
    ):
        assert_array_equal(ids, expected if len(expected) <= 6 else [*expected[:5], expected[-1]])
    with pytest.raises(ValueError, match=r"must leave room for text beside .* 2 tokens of the prompt 'a: ', got 4"):
        make_encoder(TextEmbedder(tiny_model, prompt="a: ", max_length=4))
