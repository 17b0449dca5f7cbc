"""Checkpoints: training continues from them, and damage is reported and never loaded."""

import hashlib
import io
import os
import time
import warnings
import zipfile

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skgnnrec.training import Checkpoint, open_checkpoint


@pytest.fixture
def saved(tmp_path, parabola, train_parabola):
    """Return a checkpoint after two epochs with a stateful optimizer, and a function that continues from it."""

    def resume(max_iter=4):
        learner = parabola(scores=[0.1, 0.9, 0.2, 0.3])
        optimizer = torch.optim.Adam(learner.parameters(), lr=0.1)
        progress = train_parabola(learner, max_iter, optimizer=optimizer, checkpoint=Checkpoint(tmp_path, "fit"))
        return learner, progress

    resume(max_iter=2)
    return Checkpoint(tmp_path, "fit"), resume


def test_training_continues_from_the_last_epoch(tmp_path, parabola, train_parabola):
    whole = parabola(scores=[0.1, 0.9, 0.2, 0.3])
    expected = train_parabola(whole, max_iter=4)
    train_parabola(parabola(scores=[0.1, 0.9]), max_iter=2, checkpoint=Checkpoint(tmp_path, "fit"))
    second = parabola(scores=[0.2, 0.3])
    progress = train_parabola(second, max_iter=4, checkpoint=Checkpoint(tmp_path, "fit"))
    assert second.epochs == [2, 3]
    assert (progress.losses, progress.scores) == (expected.losses, expected.scores)
    assert_array_equal(second.x.detach(), whole.x.detach())


def test_a_finished_training_is_not_repeated(tmp_path, parabola, train_parabola):
    train_parabola(parabola(), max_iter=3, checkpoint=Checkpoint(tmp_path, "fit"))
    again = parabola()
    assert len(train_parabola(again, max_iter=3, checkpoint=Checkpoint(tmp_path, "fit")).losses) == 3
    assert again.epochs == []


def test_each_fit_has_its_own_file(tmp_path, parabola, train_parabola):
    folder = tmp_path / "new folder"
    train_parabola(parabola(), max_iter=1, checkpoint=Checkpoint(folder, "one"))
    other = parabola()
    train_parabola(other, max_iter=1, checkpoint=Checkpoint(folder, "two"))
    assert other.epochs == [0]
    assert sorted(path.name for path in folder.iterdir()) == ["one.pt", "two.pt"]


# Damage ---------------------------------------------------------------------------------------------------------------


def assert_starts_anew(checkpoint, resume, reason):
    with pytest.warns(UserWarning, match=rf"The checkpoint .*fit\.pt cannot be used, training starts anew: {reason}"):
        learner, progress = resume(max_iter=1)
    assert learner.epochs == [0]
    assert progress.losses == [pytest.approx((9 + 2.9**2) / 2)]  # from x = 0, with a step of 0.1


@pytest.mark.parametrize("content", [b"", b"garbage", b"PK\x03\x04", b"skgnnrec checkpoint 0\n" + bytes(100)])
def test_a_file_of_another_kind_is_refused(saved, content):
    checkpoint, resume = saved
    checkpoint.path.write_bytes(content)
    assert_starts_anew(checkpoint, resume, "it is no checkpoint of this version")


def test_no_changed_byte_loads_silently(saved):
    checkpoint, resume = saved
    content = checkpoint.path.read_bytes()
    rng = np.random.default_rng(0)
    places = {*range(0, 60, 3), len(content) - 1, *rng.integers(0, len(content), 200).tolist()}
    for place in places:
        flipped = bytearray(content)
        flipped[place] ^= 1 << int(rng.integers(8))
        checkpoint.path.write_bytes(flipped)
        assert_starts_anew(checkpoint, resume, "(it is no checkpoint|its checksum does not match)")


def test_no_truncated_file_loads_silently(saved):
    checkpoint, resume = saved
    content = checkpoint.path.read_bytes()
    for length in np.random.default_rng(0).integers(0, len(content), 100).tolist():
        checkpoint.path.write_bytes(content[:length])
        assert_starts_anew(checkpoint, resume, "(it is no checkpoint|its checksum does not match)")


def write_with_checksum(checkpoint, content):
    header = checkpoint.path.read_bytes()[: len(b"skgnnrec checkpoint 1\n")]
    checkpoint.path.write_bytes(header + hashlib.sha256(content).digest() + content)


STATE = {"parameters": [torch.zeros(1)], "optimizer": None, "losses": [1.0], "scores": [0.5], "best": None}


@pytest.mark.parametrize(
    "changed",
    [
        {"parameters": [torch.tensor(7.0)]},
        {"parameters": [torch.zeros(1)] * 2},
        {"parameters": 3},
        {"losses": ["x"]},
        {"losses": None},
        {"optimizer": {}},
        {"optimizer": {"state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(5)}}, "param_groups": [{}]}},
        {"best": [torch.zeros(1)] * 3},
        {"best": "x"},
    ],
)
def test_a_state_that_does_not_fit_is_refused_as_a_whole(saved, changed):
    checkpoint, resume = saved
    groups = torch.optim.Adam([torch.zeros(1)], lr=0.1).state_dict()["param_groups"]
    state = {**STATE, "optimizer": {"state": {}, "param_groups": groups}, **changed}
    if changed.get("optimizer", {}).get("param_groups"):
        state["optimizer"]["param_groups"] = groups
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_with_checksum(checkpoint, buffer.getvalue())
    assert_starts_anew(checkpoint, resume, "")


def test_a_state_without_a_part_is_refused(saved):
    checkpoint, resume = saved
    for name in STATE:
        buffer = io.BytesIO()
        torch.save({key: value for key, value in STATE.items() if key != name}, buffer)
        write_with_checksum(checkpoint, buffer.getvalue())
        assert_starts_anew(checkpoint, resume, "")


def test_an_archive_that_inflates_is_refused(saved):
    checkpoint, resume = saved
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(1 << 24))
    write_with_checksum(checkpoint, buffer.getvalue())
    assert_starts_anew(checkpoint, resume, "its content is larger than the file")


def test_code_in_a_file_is_not_run(saved, tmp_path):
    checkpoint, resume = saved

    class Code:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "made by the file"),)

    buffer = io.BytesIO()
    torch.save(Code(), buffer)
    write_with_checksum(checkpoint, buffer.getvalue())
    assert_starts_anew(checkpoint, resume, "")
    assert not (tmp_path / "made by the file").exists()


def test_a_file_beyond_the_memory_is_not_read(saved, monkeypatch):
    checkpoint, resume = saved
    monkeypatch.setattr("skgnnrec.training._checkpoint.available_memory", lambda: 10)
    assert_starts_anew(checkpoint, resume, r"it has \d+ bytes, more than this machine has memory")


# Writing --------------------------------------------------------------------------------------------------------------


def test_a_failed_write_leaves_the_last_state(saved, monkeypatch):
    checkpoint, resume = saved
    before = checkpoint.path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *args: (_ for _ in ()).throw(OSError("No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        resume()
    assert checkpoint.path.read_bytes() == before
    assert [path.name for path in checkpoint.path.parent.iterdir()] == ["fit.pt"]


def test_files_of_killed_writers_are_removed(saved):
    checkpoint, resume = saved
    old, new, other = (checkpoint.path.with_name(name) for name in ("fit.a.tmp", "fit.b.tmp", "another.tmp"))
    for path in (old, new, other):
        path.touch()
    for path in (old, other):
        os.utime(path, (time.time() - 7200,) * 2)
    resume()
    assert [path.exists() for path in (old, new, other)] == [False, True, True]


# Identity -------------------------------------------------------------------------------------------------------------


def test_settings_and_data_name_the_file(tmp_path):
    data = np.arange(6.0)

    def name_of(*identity):
        return open_checkpoint(tmp_path, 0, identity).path.name

    names = {
        name_of(1, "bpr", data),
        name_of(2, "bpr", data),
        name_of(1, "softmax", data),
        name_of(1, "bpr", data + 1),
        name_of(1, "bpr", data.reshape(2, 3)),
        name_of(1, "bpr", data.astype(np.float32)),
    }
    assert len(names) == 6
    assert name_of(1, "bpr", data.copy()) in names


def test_only_an_integer_seed_can_be_resumed(tmp_path):
    assert open_checkpoint(None, None, ()) is None
    assert open_checkpoint(tmp_path, np.int64(3), ()) is not None
    for random_state in (None, np.random.RandomState(0)):
        with pytest.raises(ValueError, match="random_state must be an int to resume from checkpoint_dir, got"):
            open_checkpoint(tmp_path, random_state, ())


def test_an_undamaged_file_gives_no_warning(saved):
    _, resume = saved
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resume()[0].epochs == [2, 3]
