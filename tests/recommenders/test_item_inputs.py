"""The inputs of trained networks: parameters, maps of item vectors, items of another fit."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skgnnrec.interactions import Vocabulary
from skgnnrec.recommenders._item_inputs import (
    ItemInputs,
    continue_from,
    initial_parameters,
    match_items,
    parameter_shapes,
)

DIM = 8


@pytest.fixture(scope="module")
def vectors():
    """Return random item vectors of 40 items, of length one."""
    vectors = np.random.default_rng(1).standard_normal((40, 6)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def fresh_parameters(vectors=None, with_embedding=True, with_source=False):
    n_dimensions = None if vectors is None else vectors.shape[1]
    shapes = parameter_shapes(40, n_dimensions, DIM, with_embedding=with_embedding, with_source=with_source)
    return initial_parameters(shapes, seed=0)


# Parameters -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n_dimensions", "with_embedding", "with_source", "expected"),
    [
        (None, True, False, {"embedding": (40, 8)}),
        (None, True, True, {"embedding": (40, 8), "source": (40, 8)}),
        (6, False, False, {"weight": (6, 8), "bias": (8,), "weight_out": (8, 8)}),
        (30, True, False, {"weight": (30, 19), "bias": (19,), "weight_out": (19, 8), "embedding": (40, 8)}),
    ],
)
def test_shapes_of_the_parameters(n_dimensions, with_embedding, with_source, expected):
    shapes = parameter_shapes(40, n_dimensions, 8, with_embedding=with_embedding, with_source=with_source)
    assert shapes == expected
    parameters = initial_parameters(shapes, seed=0)
    assert {name: array.shape for name, array in parameters.items()} == expected
    assert {array.dtype for array in parameters.values()} == {np.dtype(np.float32)}
    assert not parameters.get("source", np.zeros(1)).any()


def test_embeddings_have_a_length_of_about_one_at_the_start():
    vectors = np.random.default_rng(0).standard_normal((2000, 60)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shapes = parameter_shapes(2000, 60, 50, with_embedding=True, with_source=False)
    parameters = initial_parameters(shapes, seed=0)
    inputs = ItemInputs(parameters, vectors, np.ones(2000, dtype=bool), torch.device("cpu"))
    mapped = inputs.mapped(torch.tensor(vectors)).detach().numpy()
    assert_allclose(np.linalg.norm(parameters["embedding"], axis=1).mean(), 1, rtol=0.05)
    assert_allclose(np.linalg.norm(mapped, axis=1).mean(), 1, rtol=0.2)


def test_parameters_are_copied():
    parameters = fresh_parameters()
    kept = parameters["embedding"].copy()
    inputs = ItemInputs(parameters, None, np.ones(40, dtype=bool), torch.device("cpu"))
    with torch.no_grad():
        inputs.learned["embedding"] += 1
    assert_array_equal(parameters["embedding"], kept)
    assert_allclose(inputs.arrays()["embedding"], kept + 1)


def test_the_map_has_one_hidden_layer(vectors):
    parameters = fresh_parameters(vectors, with_embedding=False)
    parameters["bias"] += 0.3
    inputs = ItemInputs(parameters, vectors, np.ones(40, dtype=bool), torch.device("cpu"))
    hidden = vectors @ parameters["weight"] + 0.3
    expected = np.where(hidden > 0, hidden, 0.01 * hidden) @ parameters["weight_out"]
    assert_allclose(inputs().detach(), expected, atol=1e-5)


@pytest.mark.parametrize("with_embedding", [True, False])
def test_some_items_have_the_inputs_that_they_have_among_all(vectors, with_embedding):
    is_trained = np.arange(40) % 3 > 0
    inputs = ItemInputs(fresh_parameters(vectors, with_embedding), vectors, is_trained, torch.device("cpu"))
    columns = torch.tensor([39, 3, 0, 7])
    assert_allclose(inputs(columns).detach(), inputs().detach()[columns], rtol=1e-6)


# Another fit ----------------------------------------------------------------------------------------------------------


def test_items_are_matched_by_id():
    before, now = Vocabulary(["a", "b", "c"]), Vocabulary(["c", "new", "a", "b"])
    assert_array_equal(match_items(before, now, 3, 4), [2, -1, 0, 1])


def test_items_without_ids_are_matched_by_position():
    assert_array_equal(match_items(None, None, 3, 3), [0, 1, 2])
    assert_array_equal(match_items(None, Vocabulary([0, 1, 2]), 3, 3), [0, 1, 2])
    assert_array_equal(match_items(Vocabulary([0, 1, 2]), None, 3, 3), [0, 1, 2])


@pytest.mark.parametrize(
    ("before", "now", "n_items", "match"),
    [
        (None, None, 4, "X has 4 columns, the previous fit 3 items"),
        (Vocabulary([0, 1, 2]), None, 4, "X has 4 columns, the previous fit 3 items"),
        (Vocabulary(["a", "b", "c"]), None, 3, "by id, but this fit has no item ids"),
        (None, Vocabulary(["a", "b", "c"]), 3, "by id, but the previous fit had no item ids"),
        (None, Vocabulary([2, 1, 0]), 3, "by id, but the previous fit had no item ids"),
    ],
)
def test_items_that_cannot_be_matched_are_refused(before, now, n_items, match):
    with pytest.raises(ValueError, match=match):
        match_items(before, now, 3, n_items)


def test_learned_embeddings_follow_their_items():
    table = np.arange(6.0).reshape(3, 2)
    learned = {"embedding": table, "source": table + 10, "weight": np.ones((4, 2))}
    fresh = {"embedding": np.full((4, 2), -1.0), "source": np.zeros((4, 2)), "weight": np.zeros((4, 2))}
    continued = continue_from(learned, np.array([2, -1, 0, 1]), fresh)
    assert_array_equal(continued["embedding"], [[4, 5], [-1, -1], [0, 1], [2, 3]])
    assert_array_equal(continued["source"], [[14, 15], [0, 0], [10, 11], [12, 13]])
    assert_array_equal(continued["weight"], 1)


@pytest.mark.parametrize(
    ("fresh", "match"),
    [
        ({"embedding": np.ones((2, 3))}, r"'embedding' has the shape \(2, 3\), in the previous fit \(2, 2\)"),
        ({"weight": np.ones((2, 2))}, r"the previous fit has the parameters \['embedding'\], this one \['weight'\]"),
    ],
)
def test_parameters_of_other_settings_are_refused(fresh, match):
    with pytest.raises(ValueError, match=match):
        continue_from({"embedding": np.ones((3, 2))}, np.array([0, 1]), fresh)


def test_a_fit_without_a_common_item_does_not_continue():
    learned, fresh = {"embedding": np.ones((3, 2))}, {"embedding": np.zeros((2, 2))}
    with pytest.raises(ValueError, match="none of the 2 item ids was in it"):
        continue_from(learned, np.array([-1, -1]), fresh)
    with_map = continue_from(
        {**learned, "weight": np.ones((4, 2))}, np.array([-1, -1]), {**fresh, "weight": np.zeros((4, 2))}
    )
    assert_array_equal(with_map["embedding"], 0)
    assert_array_equal(with_map["weight"], 1)
