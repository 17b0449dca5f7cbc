"""Arguments are checked before a cluster is started, and without Ray."""

import subprocess
import sys

import pytest

from skgnnrec import GNNRecommender, LogRecommender, RidgeRecommender, distributed


def test_errors_name_the_argument(tmp_path):
    ridge = RidgeRecommender()
    with pytest.raises(ValueError, match=r"shards must be a folder with parquet files; .* has none"):
        distributed.fit(ridge, tmp_path)
    with pytest.raises(FileNotFoundError, match=r"shards must be parquet files .*: '.*absent.parquet'"):
        distributed.fit(ridge, [tmp_path / "absent.parquet"])
    with pytest.raises(ValueError, match="popularity_weight"):
        distributed.fit(RidgeRecommender(popularity_weight=-1), [[[1, 0]]])
    with pytest.raises(ValueError, match=r"order_weight=0.5\) learns from more than which items users have"):
        distributed.fit(RidgeRecommender(order_weight=0.5), [[[1, 0]]])
    with pytest.raises(ValueError, match="items_per_task must be a positive integer or None, got 0"):
        distributed.fit(ridge, [[[1, 0]]], items_per_task=0)
    with pytest.raises(ValueError, match="n_workers must be a positive integer or None, got True"):
        distributed.fit(GNNRecommender(), [[[1, 0]]], n_workers=True)
    for setting in ({"conv": "attention"}, {"conv": "lightgcn", "contrast_weight": 0.5}, {"diversity_weight": 0.1}):
        with pytest.raises(ValueError, match="A GNNRecommender is trained on shards with conv=None or 'lightgcn'"):
            distributed.fit(GNNRecommender(**setting), [[[1, 0]]])
    with pytest.raises(ValueError, match="not fitted"):
        distributed.recommend(LogRecommender(ridge), tmp_path, tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"out must be the path of a folder; .*file' is a file"):
        distributed.split_by_user(tmp_path, tmp_path / "file", n_shards=2)


def test_an_error_says_how_to_install_ray(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ImportError, match=r"needs the package ray: pip install 'skgnnrec\[distributed\]'"):
        distributed.fit(RidgeRecommender(), [[[1, 0]]])
    with pytest.raises(ImportError, match="needs the package ray"), distributed.ray_backend():
        pass


def test_nothing_is_imported_on_one_machine():
    script = (
        "import sys, skgnnrec, skgnnrec.model_selection; assert 'skgnnrec.distributed' not in sys.modules\n"
        "import skgnnrec.distributed; assert not {'ray', 'pyarrow.parquet'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
