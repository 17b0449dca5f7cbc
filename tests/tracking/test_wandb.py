"""Runs of Weights & Biases that are written to files, and what is in the files."""

import json
import struct
import sys
import time
from pathlib import Path

import pytest
from numpy.testing import assert_array_equal
from sklearn.model_selection import GridSearchCV

from skgnnrec import RidgeRecommender, load
from skgnnrec.tracking import WandbCallback

BLOCK, HEADER = 1 << 15, 7  # bytes of the log format of LevelDB, which the files have
PARTS_AT_END = (1, 4)  # the types of a record in one part, and of the last part


@pytest.fixture
def wandb(monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    return pytest.importorskip("wandb", reason="wandb is not installed")


@pytest.fixture
def callback(wandb, tmp_path):
    return WandbCallback("shop", mode="offline", log_dir=tmp_path)


@pytest.fixture
def read_runs(tmp_path):
    """Return a function that reads the files of all runs: their records by type, by id of the run."""

    def read():
        deadline = time.monotonic() + 30
        while True:
            files = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
            runs = {file.stem.removeprefix("run-"): records_of(file.read_bytes()) for file in files}
            # Another process writes the files, the last record of each a moment after the end of its run.
            if all("exit" in records for records in runs.values()) or time.monotonic() > deadline:
                return runs
            time.sleep(0.05)

    return read


def records_of(data):
    from wandb.proto.wandb_internal_pb2 import Record

    found, position, parts = {}, HEADER, b""
    while position + HEADER <= len(data):
        if BLOCK - position % BLOCK < HEADER:
            position += BLOCK - position % BLOCK
            continue
        _, length, kind = struct.unpack("<IHB", data[position : position + HEADER])
        position += HEADER + length
        parts += data[position - length : position]
        if kind in PARTS_AT_END:
            record, parts = Record.FromString(parts), b""
            name = record.WhichOneof("record_type")
            found.setdefault(name, []).append(getattr(record, name))
    return found


def values(records, name, field="item"):
    """Return what each record has by key."""
    items = [getattr(record, field) for record in records.get(name, [])]
    keys = [{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in part} for part in items]
    return [part for part in keys if part]


def summary_of(records):
    return {key: value for part in values(records, "summary", "update") for key, value in part.items()}


def test_a_training_is_a_run(callback, gnn, X, read_runs, tmp_path):
    gnn.set_callbacks(callback).fit(X)
    ((run_id, records),) = read_runs().items()
    assert run_id == callback.run_id_
    config = {item.key: json.loads(item.value_json) for item in records["run"][0].config.update}
    assert (config["embedding_dim"], config["loss"]) == (4, gnn.loss)
    assert records["run"][0].project == "shop"
    points = values(records, "history")
    assert [(point["epoch"], point["loss"]) for point in points] == list(enumerate(gnn.loss_curve_, start=1))
    assert [point["validation_score"] for point in points] == gnn.validation_scores_
    assert summary_of(records)["n_iter"] == 2
    (manifest,) = (record.manifest for record in records["artifact"])
    (entry,) = manifest.contents
    assert_array_equal(load(entry.local_path).predict(X), gnn.predict(X))


def test_a_search_and_its_candidates_are_a_group(callback, X, read_runs):
    search = GridSearchCV(RidgeRecommender(), {"alpha": [1.0, 50.0]}, cv=2).set_callbacks(callback).fit(X)
    runs = read_runs()
    own = runs.pop(callback.run_id_)
    assert own["run"][0].run_group == ""
    results = {}
    for records in runs.values():
        assert records["run"][0].run_group == callback.run_id_
        results[records["run"][0].display_name] = summary_of(records)["mean_test_score"]
    means = search.cv_results_["mean_test_score"]
    assert results == {"candidate-0": means[0], "candidate-1": means[1]}


def test_a_run_of_the_user_is_used_and_stays_open(wandb, callback, gnn, X, tmp_path, read_runs):
    run = wandb.init(mode="offline", dir=tmp_path)
    try:
        gnn.set_callbacks(callback).fit(X)
        run.log({"test": 0.5})
    finally:
        run.finish()
    (records,) = read_runs().values()
    assert callback.run_id_ == run.id
    assert [set(point) & {"loss", "test"} for point in values(records, "history")] == [{"loss"}, {"loss"}, {"test"}]


def test_a_fit_that_fails_is_a_failed_run(callback, gnn, X, read_runs):
    with pytest.raises(ArithmeticError, match="training has diverged"):
        gnn.set_params(learning_rate_init=1e30).set_callbacks(callback).fit(X)
    (records,) = read_runs().values()
    assert records["exit"][0].exit_code == 1


def test_without_wandb_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r'WandbCallback needs .*pip install "skgnnrec\[wandb\]"'):
        WandbCallback(log_dir=Path("runs"))
