"""Learned weights: arrays that give the learned vectors in any process."""

import pickle
from dataclasses import replace

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.text import TextEmbedder
from skgnnrec.text._encode import embed_tokens

TITLES = ["red coffee mug", "garden hose", "a mug", "hose reel", "x"]


@pytest.fixture(params=[None, 2], ids=["all weights", "LoRA"])
def trained(request, tiny_model, base_of, make_encoder):
    """Return an encoder whose weights were moved, the model it started from and the token numbers of the titles."""
    if request.param is not None:
        pytest.importorskip("peft", reason="LoRA needs peft, from the lora extra")
    embedder = TextEmbedder(tiny_model, normalize=False, dtype="float32")
    encoder = make_encoder(embedder, request.param)
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.add_(0.05)
    return encoder, base_of(embedder), encoder.tokenize(TITLES)


def embed(model, token_ids):
    return np.vstack([embed_tokens(model, [ids], "mean") for ids in token_ids])


def test_learned_weights_give_the_learned_vectors(trained):
    encoder, base, token_ids = trained
    before = embed(base, token_ids)
    with torch.no_grad():
        expected = encoder.embed(token_ids).numpy()
    learned = encoder.learned()
    assert_allclose(embed(learned.put_into(base, "float32"), token_ids), expected, atol=1e-5)
    assert_allclose(embed(learned.put_into(base, "float32", packed=True), token_ids), expected, atol=1e-4)
    assert np.abs(expected - before).max() > 0.1
    assert_array_equal(embed(base, token_ids), before)


def test_a_model_is_built_once(trained):
    encoder, base, _ = trained
    learned = encoder.learned()
    model = learned.put_into(base, "float32")
    assert learned.put_into(base, "float32") is model
    assert learned.put_into(base, "bfloat16").network.dtype == torch.bfloat16
    assert learned.put_into(replace(base), "float32") is not model


def test_learned_weights_are_arrays_of_their_own(trained):
    encoder, base, token_ids = trained
    learned = encoder.learned()
    digest = joblib.hash(learned)
    assert {type(array) for array in learned.arrays.values()} == {np.ndarray}
    assert {array.dtype for array in learned.arrays.values()} == {np.dtype(np.float32)}
    with torch.no_grad():
        for parameter in encoder.parameters():
            parameter.zero_()
    assert joblib.hash(learned) == digest
    copied = pickle.loads(pickle.dumps(learned))
    assert_array_equal(
        embed(copied.put_into(base, "float32"), token_ids), embed(learned.put_into(base, "float32"), token_ids)
    )


def test_a_model_built_in_inference_mode_can_be_trained(trained):
    encoder, base, _ = trained
    with torch.inference_mode():
        network = encoder.learned().put_into(base, "float32").network
    network(input_ids=torch.ones((1, 3), dtype=torch.int64)).last_hidden_state.sum().backward()
    assert all(parameter.grad is not None for name, parameter in network.named_parameters() if "layer" in name)
