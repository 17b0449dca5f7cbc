"""Recommendations for all users of a data set."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from pyarrow import parquet

from skgnnrec import LogRecommender, PopularityRecommender, RidgeRecommender, distributed, load, save

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


def lists_in(files, user="user"):
    table = pd.concat(map(pd.read_parquet, files)).set_index(user)
    assert table.index.is_unique
    return {user: list(items) for user, items in table["items"].items()}


def test_lists_are_those_of_one_machine(cluster, shards, log, tmp_path):
    rec = LogRecommender(RidgeRecommender()).fit(log)
    X = pd.crosstab(log["user"], log["item"])
    ridge = RidgeRecommender().fit(X)
    items, scores = ridge.recommend(X, 5)
    expected = dict(zip(X.index, items.tolist(), strict=True))
    by_matrix = distributed.recommend(ridge, shards, tmp_path / "a", n_recommendations=5)
    assert lists_in(by_matrix) == expected
    assert lists_in(distributed.recommend(rec, shards, tmp_path / "b", n_recommendations=5)) == expected
    written = pd.concat(map(pd.read_parquet, by_matrix)).set_index("user").loc[X.index, "scores"]
    np.testing.assert_allclose(np.stack(written), scores, rtol=1e-6)


def test_a_repeated_call_continues(cluster, shards, log, tmp_path):
    rec = RidgeRecommender().fit(pd.crosstab(log["user"], log["item"]))
    files = distributed.recommend(rec, shards, tmp_path / "out")
    expected = lists_in(files)
    Path(files[2]).unlink()
    (tmp_path / "out" / ".skgnnrec-0123.part").write_bytes(b"of a worker that was killed")
    times = {file: Path(file).stat().st_mtime_ns for file in files if file != files[2]}
    save(rec, tmp_path / "rec")
    assert lists_in(distributed.recommend(load(tmp_path / "rec"), shards, tmp_path / "out")) == expected
    assert times == {file: Path(file).stat().st_mtime_ns for file in times}
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["call.json", *(Path(f).name for f in files)]
    with pytest.raises(ValueError, match=r"out=.* has the results of a call with other arguments \(options\)"):
        distributed.recommend(rec, shards, tmp_path / "out", exclude_seen=False)
    with pytest.raises(ValueError, match="out must be a new or empty folder"):
        distributed.recommend(rec, shards, shards)


def test_ids_padding_and_unknown_items(cluster, tmp_path):
    rec = PopularityRecommender().fit([[1, 1, 0], [0, 1, 0]])
    log = pd.DataFrame({"who": np.array([7, 7, 9, 5], dtype=np.uint32), "what": [0, 1, 2, 99]})
    log.to_parquet(tmp_path / "log.parquet")
    pd.DataFrame({"who": np.array([], np.uint32), "what": np.array([], int)}).to_parquet(tmp_path / "none.parquet")
    paths = [tmp_path / "log.parquet", tmp_path / "none.parquet"]
    with pytest.warns(UserWarning, match="Unknown items of histories were left out, 1 in all files"):
        files = distributed.recommend(rec, paths, tmp_path / "out", user="who", item="what", n_recommendations=3)
    assert lists_in(files, "who") == {5: [1, 0, 2], 7: [2], 9: [1, 0]}
    assert pd.read_parquet(files[0])["who"].dtype == np.uint32
    assert parquet.read_schema(files[0]).equals(parquet.read_schema(files[1]))


def test_common_users_are_noticed(cluster, log, tmp_path):
    rec = PopularityRecommender().fit(pd.crosstab(log["user"], log["item"]))
    (tmp_path / "log").mkdir()
    for part in range(2):
        log.iloc[part::2].to_parquet(tmp_path / "log" / f"{part}.parquet")
    with pytest.raises(ValueError, match="Each user must be in one shard with all interactions"):
        distributed.recommend(rec, tmp_path / "log", tmp_path / "out")
