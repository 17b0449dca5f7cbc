"""The loop, on a learner whose answers are known, and its checkpoints."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skgnnrec.exceptions import NonFiniteLossError
from skgnnrec.training import Checkpoint, Progress, open_checkpoint, train
from skgnnrec.training._checkpoint import fingerprint


class Parabola:
    """Minimises (x - 3)² by two batches an epoch; its validation scores are given."""

    def __init__(self, scores=None, broken_at=None):
        self.x = torch.zeros(1, requires_grad=True)
        self.scores = iter(scores or [])
        self.has_scores = scores is not None
        self.broken_at = broken_at
        self.epochs = []

    def parameters(self):
        return [self.x]

    def batches(self, epoch):
        self.epochs.append(epoch)
        yield from ((epoch, 0), (epoch, 1))

    def loss(self, batch):
        loss = ((self.x - 3) ** 2).sum()
        return loss * torch.nan if batch == self.broken_at else loss

    def validate(self):
        return next(self.scores) if self.has_scores else None


def run(learner, max_iter=5, *, lr=0.1, tol=0.0, n_iter_no_change=100, **more):
    optimizer = torch.optim.SGD(learner.parameters(), lr=lr)
    return train(
        learner,
        optimizer,
        max_iter=max_iter,
        tol=tol,
        n_iter_no_change=n_iter_no_change,
        **{"before_epoch": lambda epoch: None, "after_epoch": lambda progress: False, **more},
    )


def test_steps_follow_the_gradient_of_their_own_batch():
    learner = Parabola()
    progress = run(learner, max_iter=1)
    # Two steps from 0, each a fifth of the way to 3: gradients that were not set to zero would go further.
    assert float(learner.x.detach()) == pytest.approx(3 * (1 - 0.8**2))
    assert progress.losses == [pytest.approx((9 + 9 * 0.64) / 2)]
    assert progress.scores == []


def test_epochs_are_announced_by_their_number():
    learner, begun = Parabola(), []
    run(learner, max_iter=3, before_epoch=begun.append)
    assert begun == learner.epochs == [0, 1, 2]


def test_training_converges_and_stops_when_nothing_improves():
    learner = Parabola()
    progress = run(learner, max_iter=1000, tol=1e-6, n_iter_no_change=3)
    assert float(learner.x.detach()) == pytest.approx(3, abs=1e-3)
    assert len(progress.losses) < 50


def test_the_best_parameters_come_back():
    learner = Parabola(scores=[0.1, 0.5, 0.3, 0.2])
    seen = []
    progress = run(learner, max_iter=4, after_epoch=lambda progress: seen.append(learner.x.detach().clone()))
    assert progress.scores == [0.1, 0.5, 0.3, 0.2]
    assert_array_equal(learner.x.detach(), seen[1])


def test_early_stopping_waits_as_long_as_asked():
    learner = Parabola(scores=[0.1, 0.5, 0.5, 0.5005, 0.4, 0.9])
    progress = run(learner, max_iter=6, tol=1e-3, n_iter_no_change=3)
    assert progress.scores == [0.1, 0.5, 0.5, 0.5005, 0.4]


def test_a_callback_can_stop():
    learner = Parabola()
    assert len(run(learner, max_iter=9, after_epoch=lambda progress: len(progress.losses) == 2).losses) == 2


@pytest.mark.parametrize("broken_at", [(0, 0), (1, 1)])
def test_a_loss_that_is_no_number_stops_at_once(broken_at):
    learner = Parabola(broken_at=broken_at)
    with pytest.raises(NonFiniteLossError, match=rf"loss is nan in epoch {broken_at[0] + 1}.*learning_rate_init"):
        run(learner)
    assert learner.epochs[-1] == broken_at[0]


def test_no_batches_no_loss():
    learner = Parabola()
    learner.batches = lambda epoch: []
    assert run(learner, max_iter=2).losses == [0.0, 0.0]


def test_an_interrupt_comes_through():
    def interrupt(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(Parabola(), after_epoch=interrupt)


# Checkpoints ----------------------------------------------------------------------------------------------------------


def test_training_goes_on_where_it_was(tmp_path):
    whole = Parabola(scores=[0.1, 0.9, 0.2, 0.3])
    expected = run(whole, max_iter=4)
    first = Parabola(scores=[0.1, 0.9])
    run(first, max_iter=2, checkpoint=Checkpoint(tmp_path, "fit"))
    second = Parabola(scores=[0.2, 0.3])
    progress = run(second, max_iter=4, checkpoint=Checkpoint(tmp_path, "fit"))
    assert second.epochs == [2, 3]
    assert (progress.losses, progress.scores) == (expected.losses, expected.scores)
    assert_array_equal(second.x.detach(), whole.x.detach())


def test_a_finished_training_is_not_repeated(tmp_path):
    run(Parabola(), max_iter=3, checkpoint=Checkpoint(tmp_path, "fit"))
    again = Parabola()
    assert len(run(again, max_iter=3, checkpoint=Checkpoint(tmp_path, "fit")).losses) == 3
    assert again.epochs == []


def test_each_fit_has_its_own_file(tmp_path):
    run(Parabola(), max_iter=1, checkpoint=Checkpoint(tmp_path / "new folder", "one"))
    other = Parabola()
    run(other, max_iter=1, checkpoint=Checkpoint(tmp_path / "new folder", "two"))
    assert other.epochs == [0]
    assert sorted(path.name for path in (tmp_path / "new folder").iterdir()) == ["one.pt", "two.pt"]


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04"])
def test_a_file_that_is_no_checkpoint_is_told_and_not_trusted(tmp_path, content):
    checkpoint = Checkpoint(tmp_path, "fit")
    checkpoint.path.write_bytes(content)
    learner = Parabola()
    with pytest.warns(UserWarning, match=r"fit\.pt cannot be read, training starts anew"):
        run(learner, max_iter=1, checkpoint=checkpoint)
    assert learner.epochs == [0]


def test_a_failed_write_leaves_the_last_state(tmp_path, monkeypatch):
    checkpoint = Checkpoint(tmp_path, "fit")
    run(Parabola(), max_iter=1, checkpoint=checkpoint)
    before = checkpoint.path.read_bytes()
    monkeypatch.setattr(torch, "save", lambda *args: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        run(Parabola(), max_iter=2, checkpoint=checkpoint)
    assert checkpoint.path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["fit.pt"]


def test_fingerprints_tell_settings_and_data_apart():
    data = np.arange(6.0)
    prints = {
        fingerprint([1, "bpr"], [data]),
        fingerprint([2, "bpr"], [data]),
        fingerprint([1, "bpr"], [data + 1]),
        fingerprint([1, "bpr"], [data.reshape(2, 3)]),
        fingerprint([1, "bpr"], [data.astype(np.float32)]),
    }
    assert len(prints) == 5
    assert fingerprint([1, "bpr"], [data.copy()]) in prints


def test_progress_without_epochs_has_not_stalled():
    assert not Progress().has_stalled(0.0, 1)


def test_without_a_folder_nothing_is_read(tmp_path):
    arrays = iter([np.zeros(3)])
    assert open_checkpoint(None, None, ["a"], arrays) is None
    assert open_checkpoint(tmp_path, 0, ["a"], arrays).path.stem == fingerprint(["a"], [np.zeros(3)])
    with pytest.raises(ValueError, match="random_state must be an int to resume"):
        open_checkpoint(tmp_path, None, ["a"], [])
