"""The training of an estimator: its optimizer, its step sizes, and what callbacks receive of each epoch."""

import numpy as np
import pytest
import torch
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackSupportMixin, with_callbacks

from skgnnrec.training import train_estimator


class Trained(CallbackSupportMixin, BaseEstimator):
    """An estimator whose `fit` trains a copy of it, whose state it takes over."""

    def __init__(self, solver="adam", alpha=0.0, learning_rate_init=0.1, tol=0.0, n_iter_no_change=100):
        self.solver, self.alpha, self.learning_rate_init = solver, alpha, learning_rate_init
        self.tol, self.n_iter_no_change = tol, n_iter_no_change

    @with_callbacks
    def fit(self, learner, max_iter=3, held_out=(None, None), **options):
        task = self._init_callback_context(max_subtasks=max_iter)
        task.call_on_fit_task_begin(estimator=self)
        copy = type(self)(**self.get_params())
        copy._callback_fit_ctx, copy.n_rows_ = task, 7
        self.progress_ = train_estimator(
            copy,
            learner,
            max_iter=max_iter,
            checkpoint=None,
            reconstruct=lambda: {"x_": float(learner.x.detach())},
            held_out=held_out,
            original=self,
            **options,
        )
        return self


class Recorder:
    """A callback that records what it receives."""

    def __init__(self, stop_after=None):
        self.begun, self.ended, self.stop_after = [], [], stop_after

    def setup(self, estimator, context):
        self.known = estimator

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        self.begun.append((context.task_name, context.task_id))
        assert estimator is self.known

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, fitted_estimator=None):
        self.ended.append((X, y, vars(fitted_estimator)))
        assert estimator is self.known
        return context.task_id + 1 == self.stop_after


def test_callbacks_receive_each_epoch(parabola):
    recorder = Recorder()
    Trained().set_callbacks(recorder).fit(parabola(), held_out=("X", "y"))
    assert recorder.begun == [("fit", 0), ("epoch", 0), ("epoch", 1), ("epoch", 2)]
    assert [end[:2] for end in recorder.ended] == [("X", "y")] * 3


def test_callbacks_receive_an_estimator_with_the_state_of_the_epoch_alone(parabola):
    recorder, learner = Recorder(), parabola()
    estimator = Trained().set_callbacks(recorder)
    estimator.old_ = "of an earlier fit"
    estimator.fit(learner)
    states = [state for _, _, state in recorder.ended]
    assert all(state["n_rows_"] == 7 and "old_" not in state for state in states)
    values = [state["x_"] for state in states]
    assert values == sorted(values)
    assert values[-1] == float(learner.x.detach())


def test_a_callback_stops_the_training(parabola):
    estimator = Trained().set_callbacks(Recorder(stop_after=2)).fit(parabola(), max_iter=9)
    assert len(estimator.progress_.losses) == 2


@pytest.mark.parametrize(("solver", "optimizer"), [("adam", torch.optim.Adam), ("adamw", torch.optim.AdamW)])
def test_the_solver_takes_the_steps(parabola, train_parabola, solver, optimizer):
    expected, found = parabola(), parabola()
    train_parabola(expected, optimizer=optimizer([expected.x], lr=0.1, weight_decay=0.5), max_iter=3)
    Trained(solver=solver, alpha=0.5).fit(found)
    assert float(found.x.detach()) == float(expected.x.detach())
    plain = parabola()
    Trained(solver=solver).fit(plain)
    assert float(plain.x.detach()) != float(found.x.detach())


def test_step_sizes_follow_the_epochs(parabola):
    learner = parabola()
    optimizer = torch.optim.SGD([learner.x], lr=1.0)
    Trained().fit(learner, optimizer=optimizer, step_size=lambda epoch: 0.1 / 2**epoch)
    # Two steps per epoch, each a part 2 lr of the way to 3.
    remaining = np.prod([(1 - 0.2 / 2**epoch) ** 2 for epoch in range(3)])
    assert float(learner.x.detach()) == pytest.approx(3 * (1 - remaining), rel=1e-5)


def test_early_stopping_follows_the_parameters_of_the_estimator(parabola):
    learner = parabola(scores=[0.1, 0.5, 0.4, 0.3, 0.9])
    assert Trained(n_iter_no_change=2).fit(learner, max_iter=5).progress_.scores == [0.1, 0.5, 0.4, 0.3]
