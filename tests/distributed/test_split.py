"""Logs divided by users."""

from pathlib import Path

import pandas as pd
import pytest

from skgnnrec import distributed

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray


def test_each_user_is_in_one_shard(cluster, tmp_path):
    log = pd.DataFrame({"buyer": [3, 1, 3, 2, 1, 3], "item": list("abcdef"), "day": range(6)})
    (tmp_path / "log").mkdir()
    log[:4].to_parquet(tmp_path / "log" / "a.parquet")
    log[4:].to_parquet(tmp_path / "log" / "b.parquet")
    files = distributed.split_by_user(tmp_path / "log", tmp_path / "out", n_shards=4, user="buyer")
    parts = [pd.read_parquet(file) for file in files]
    assert len(parts) == 4  # some of them without rows
    assert sorted(buyer for part in parts for buyer in part["buyer"].unique()) == [1, 2, 3]
    pd.testing.assert_frame_equal(pd.concat(parts).sort_values("day", ignore_index=True), log)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["call.json", *(Path(f).name for f in files)]
    Path(files[1]).unlink()
    again = distributed.split_by_user(tmp_path / "log", tmp_path / "out", n_shards=4, user="buyer")
    pd.testing.assert_frame_equal(pd.read_parquet(again[1]), parts[1])
    with pytest.raises(ValueError, match=r"with other arguments \(n_shards\)"):
        distributed.split_by_user(tmp_path / "log", tmp_path / "out", n_shards=5, user="buyer")
