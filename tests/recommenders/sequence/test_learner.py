"""The training objective of sequence models: batches, losses, held-out interactions."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse

from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders._item_inputs import ItemInputs
from skgnnrec.recommenders.sequence._learner import SequenceLearner, Validation
from skgnnrec.recommenders.sequence._network import EXACT, encode_steps, head_parameters, unit
from skgnnrec.recommenders.sequence._scorer import SequenceFactors

DIM, TEMPERATURE = 8, 0.2
SETTINGS = {"head": "attention", "max_length": 5, "batch_size": 16, "n_negatives": None, "dropout": 0.0}


def make_learner(X, validation=None, **settings):
    rng = np.random.default_rng(0)
    parameters = {"embedding": rng.standard_normal((X.shape[1], DIM)).astype(np.float32)}
    parameters |= head_parameters("attention", 1, DIM, 5, seed=0)
    has_users = np.bincount(X.indices, minlength=X.shape[1]) > 0
    inputs = ItemInputs(parameters, None, has_users, torch.device("cpu"))
    return SequenceLearner(
        inputs, X, temperature=TEMPERATURE, seed=0, validation=validation, **{**SETTINGS, **settings}
    )


def targets_of(batch):
    """Return the next items after each prefix: the set of the steps so far, and the target."""
    items = batch.shares.toarray() > 0
    places, n_longest = batch.places.numpy(), batch.places.shape[1]
    found = []
    for row, column in zip(batch.rows.tolist(), batch.columns, strict=True):
        user, step = divmod(int(batch.prefixes[row]), n_longest)
        found.append((tuple(np.flatnonzero(items[places[user, step]])), int(column)))
    return found


def test_each_step_predicts_the_next_one(cycles):
    targets = [pair for batch in make_learner(cycles).batches(0) for pair in targets_of(batch)]
    assert {(target - step[0]) % 10 for step, target in targets} == {1, 9}
    assert len(targets) == np.minimum(np.diff(cycles.indptr) - 1, 5).sum()


def test_items_of_one_step_are_targets_together():
    X = sparse.csr_array(np.array([[1, 1, 2, 2, 0], [0, 0, 0, 0, 9.0]]))
    (batch,) = make_learner(X).batches(0)
    assert sorted(targets_of(batch)) == [((0, 1), 2), ((0, 1), 3)]


def test_a_set_predicts_a_random_part_of_itself():
    X = sparse.csr_array(np.ones((1, 6), dtype=np.float32))
    learner = make_learner(X)
    parts = set()
    for epoch in range(10):
        ((step, _), *_) = found = targets_of(*learner.batches(epoch))
        assert sorted([*step, *(target for _, target in found)]) == list(range(6))
        parts.add(step)
    assert len(parts) > 5


def test_batches_depend_on_the_epoch_only(cycles):
    first, second = make_learner(cycles), make_learner(cycles)
    list(first.batches(0))
    for left, right in zip(first.batches(1), second.batches(1), strict=True):
        assert targets_of(left) == targets_of(right)
    assert [b.columns.tolist() for b in first.batches(0)] != [b.columns.tolist() for b in first.batches(1)]


def expected_loss(learner, X, negatives=None):
    """Return the mean loss of all targets, computed one by one with NumPy."""
    parameters = learner.inputs.arrays()
    vectors = parameters.pop("embedding")
    losses = []
    for row in X.toarray():
        sequence = np.argsort(np.where(row > 0, row, np.inf), kind="stable")[: np.count_nonzero(row)][-6:]
        for end in range(1, len(sequence)):
            output = encode_steps(EXACT, "attention", parameters, vectors[sequence[:end]][None], last=True)[0, 0]
            scores = unit(np, vectors) @ unit(np, output) / TEMPERATURE
            target = scores[sequence[end]]
            others = scores
            if negatives is not None:
                others = np.append(scores[[j for j in negatives if not row[j]]], target)
            losses.append(np.log(np.exp(others).sum()) - target)
    return np.mean(losses)


def test_the_loss_is_a_softmax_over_all_items(cycles):
    X = cycles[:12]
    learner = make_learner(X)
    (batch,) = learner.batches(0)
    assert_allclose(learner.loss(batch).item(), expected_loss(learner, X), rtol=1e-4)


def test_the_loss_with_sampled_negatives_leaves_out_items_of_the_user(cycles):
    X = cycles[:12]
    learner = make_learner(X, n_negatives=4)
    (batch,) = learner.batches(0)
    assert_allclose(learner.loss(batch).item(), expected_loss(learner, X, batch.negatives), rtol=1e-4)


def test_items_without_users_are_no_negatives(cycles):
    X = cycles.tolil()
    X[:, [2, 5]] = 0
    (batch, *_) = make_learner(sparse.csr_array(X), n_negatives=200).batches(0)
    assert set(batch.negatives) == set(range(10)) - {2, 5}


def test_dropout_is_drawn_for_each_epoch(cycles):
    learner = make_learner(cycles, dropout=0.5)
    losses = [learner.loss(next(learner.batches(epoch))).item() for epoch in (0, 0, 1)]
    assert losses[0] == losses[1] != losses[2]


@pytest.mark.parametrize("block", [3, 512])
def test_the_score_is_that_of_the_scorer(cycles, block, monkeypatch):
    monkeypatch.setattr("skgnnrec.recommenders.sequence._learner.BLOCK_USERS", block)
    rng = np.random.default_rng(1)
    held_out = sparse.csr_array((rng.random(cycles.shape) < 0.1) & (cycles.toarray() == 0))
    bias = rng.standard_normal(10).astype(np.float32) / 10
    learner = make_learner(cycles, Validation(cycles, held_out, bias, 3))
    parameters = learner.inputs.arrays()
    vectors = parameters.pop("embedding")
    factors = SequenceFactors(vectors, unit(np, vectors), "attention", parameters, 5)
    scores = np.where(cycles.toarray() > 0, -np.inf, factors.scores(cycles) + bias)
    assert learner.validate() == pytest.approx(ndcg_at_k(held_out, np.argsort(-scores, axis=1)[:, :3]))
    assert make_learner(cycles).validate() is None


def test_parameters_are_those_of_items_and_of_the_head(cycles):
    shapes = [tuple(parameter.shape) for parameter in make_learner(cycles).parameters()]
    assert (10, DIM) in shapes
    assert len(shapes) == 8
    assert_array_equal([parameter.requires_grad for parameter in make_learner(cycles).parameters()], True)
