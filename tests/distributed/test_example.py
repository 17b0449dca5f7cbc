"""The example of a shop on a cluster."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone

from skgnnrec import LogRecommender, distributed

pytest.importorskip("ray", reason="ray is not installed")
pytestmark = pytest.mark.ray
SCRIPT = Path(__file__).parents[2] / "examples" / "ray_cluster.py"


def test_the_example_gives_the_lists_of_one_machine(cluster, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [SCRIPT.name, str(tmp_path)])
    v = runpy.run_path(str(SCRIPT))
    assert "chosen: {'alpha':" in capsys.readouterr().out
    assert isinstance(v["vectors"], np.memmap)
    alone = LogRecommender(clone(v["recommender"]), user="user_id", item="item_id").fit(v["data"].events)
    np.testing.assert_array_equal(alone.recommender_.weights_, v["recommender"].weights_)
    assert len(v["network"].loss_curve_) == 3
    assert v["network"].loss_curve_[-1] < v["network"].loss_curve_[0]
    items, _ = alone.recommend(n_recommendations=5)
    assert list(v["lists"].index) == list(alone.user_ids_)
    assert [row.tolist() for row in v["lists"]["items"]] == [row[row >= 0].tolist() for row in items]
    assert distributed.split_by_user(tmp_path / "log", tmp_path / "shards", n_shards=8, user="user_id") == v["shards"]
