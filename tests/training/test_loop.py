"""The training loop, on a learner whose answers are known."""

import pytest
import torch
from numpy.testing import assert_array_equal

from skgnnrec import _memory
from skgnnrec.exceptions import NonFiniteLossError


def test_steps_follow_the_gradient_of_their_own_batch(parabola, train_parabola):
    learner = parabola()
    progress = train_parabola(learner, max_iter=1)
    # Two steps from 0, each a fifth of the way to 3: gradients that were not set to zero would go further.
    assert float(learner.x.detach()) == pytest.approx(3 * (1 - 0.8**2))
    assert progress.losses == [pytest.approx((9 + 9 * 0.64) / 2)]
    assert progress.scores == []


def test_epochs_are_announced_by_their_number(parabola, train_parabola):
    learner, begun = parabola(), []
    train_parabola(learner, max_iter=3, before_epoch=begun.append)
    assert begun == learner.epochs == [0, 1, 2]


def test_training_converges_and_stops_when_nothing_improves(parabola, train_parabola):
    learner = parabola()
    progress = train_parabola(learner, max_iter=1000, tol=1e-6, n_iter_no_change=3)
    assert float(learner.x.detach()) == pytest.approx(3, abs=1e-3)
    assert len(progress.losses) < 50


def test_the_best_parameters_come_back(parabola, train_parabola):
    learner = parabola(scores=[0.1, 0.5, 0.3, 0.2])
    seen = []
    progress = train_parabola(learner, max_iter=4, after_epoch=lambda progress: seen.append(learner.x.detach().clone()))
    assert progress.scores == [0.1, 0.5, 0.3, 0.2]
    assert_array_equal(learner.x.detach(), seen[1])


def test_early_stopping_waits_as_long_as_asked(parabola, train_parabola):
    learner = parabola(scores=[0.1, 0.5, 0.5, 0.5005, 0.4, 0.9])
    progress = train_parabola(learner, max_iter=6, tol=1e-3, n_iter_no_change=3)
    assert progress.scores == [0.1, 0.5, 0.5, 0.5005, 0.4]


def test_a_callback_can_stop(parabola, train_parabola):
    learner = parabola()
    assert len(train_parabola(learner, max_iter=9, after_epoch=lambda progress: len(progress.losses) == 2).losses) == 2


@pytest.mark.parametrize("broken_at", [(0, 0), (1, 1)])
def test_a_loss_that_is_no_number_stops_at_once(broken_at, parabola, train_parabola):
    learner = parabola(broken_at=broken_at)
    with pytest.raises(NonFiniteLossError, match=rf"loss is nan in epoch {broken_at[0] + 1}.*learning_rate_init"):
        train_parabola(learner)
    assert learner.epochs[-1] == broken_at[0]


def test_no_batches_no_loss(parabola, train_parabola):
    learner = parabola()
    learner.batches = lambda epoch: []
    assert train_parabola(learner, max_iter=2).losses == [0.0, 0.0]


def test_an_interrupt_comes_through(parabola, train_parabola):
    def interrupt(progress):
        raise KeyboardInterrupt("stop")

    with pytest.raises(KeyboardInterrupt, match="stop"):
        train_parabola(parabola(), after_epoch=interrupt)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_training_needs_no_mode_of_the_caller(mode, parabola, train_parabola):
    expected, learner = parabola(), parabola()
    train_parabola(expected)
    with mode():
        train_parabola(learner)
    assert_array_equal(learner.x.detach(), expected.x.detach())


def test_memory_is_kept_during_trainings_and_given_back_after_the_last_one(parabola, train_parabola, monkeypatch):
    calls = []
    library = {"mallopt": lambda *setting: calls.append(setting), "malloc_trim": lambda pad: calls.append("trim")}
    monkeypatch.setattr(_memory, "_of_c_library", library.get)

    def train_another(progress):
        train_parabola(parabola())

    def fail(progress):
        raise KeyboardInterrupt

    train_parabola(parabola(), after_epoch=train_another, max_iter=1)
    at_the_start, at_the_end = [(-4, 0), (-1, -1)], [(-4, 65_536), (-1, 67_108_864), "trim"]
    assert calls == at_the_start + at_the_end
    with pytest.raises(KeyboardInterrupt):
        train_parabola(parabola(), after_epoch=fail)
    assert calls == 2 * (at_the_start + at_the_end)
    library.clear()  # a library without these functions
    train_parabola(parabola())
