"""The training with pairs of texts: batches, negatives and scores."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skgnnrec.text.finetuning._interaction_learner import InteractionLearner, Pairs
from skgnnrec.text.finetuning._pairs import NeighborPairs


@pytest.fixture
def make_learner(embedder, shelf, make_encoder):
    """Return a function that makes a learner, and its encoder."""

    def make_learner(held_out=(), **more):
        titles, y, _ = shelf
        encoder = make_encoder(embedder)
        pairs = NeighborPairs(y, 3)
        settings = {"temperature": 0.1, "batch_size": 8, "seed": 0, "partners": pairs, **more}
        learner = InteractionLearner(
            encoder, encoder.tokenize(titles), pairs, held_out=np.array(held_out, dtype=np.int64), **settings
        )
        return learner, encoder

    return make_learner


def test_an_epoch_has_each_text_with_a_partner_once(make_learner, shelf):
    learner, _ = make_learner()
    batches = list(learner.batches(0))
    assert len(batches) == learner.n_batches
    anchors = np.concatenate([batch.anchors for batch in batches])
    assert_array_equal(np.sort(anchors), NeighborPairs(shelf[1], 3).anchors)
    assert {len(batch.anchors) for batch in batches} <= {7, 8, 9}
    assert all((batch.anchors != batch.partners).all() for batch in batches)


def test_epochs_differ_and_can_be_drawn_again(make_learner):
    learner, _ = make_learner()
    first, again, other = (np.concatenate([*map(np.concatenate, learner.batches(epoch))]) for epoch in (0, 0, 1))
    assert_array_equal(first, again)
    assert (first != other).any()


def test_a_common_partner_is_no_negative(make_learner):
    learner, encoder = make_learner()
    encoder.network.eval()
    with torch.no_grad():
        same = float(learner.loss(Pairs(np.array([1, 2]), np.array([5, 5]))))
        other = float(learner.loss(Pairs(np.array([1, 2]), np.array([5, 40]))))
    assert same == pytest.approx(0, abs=1e-6)
    assert other > 0.01


def test_scores_depend_on_held_out_texts_alone(make_learner):
    assert make_learner()[0].validate() is None
    learner, encoder = make_learner(held_out=range(10))
    scores = {learner.validate() for _ in range(3)}
    assert len(scores) == 1
    assert -10 < scores.pop() < 0
    assert not encoder.network.training
