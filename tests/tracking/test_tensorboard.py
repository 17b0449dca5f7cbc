"""Folders of TensorBoard, and the package that is missing."""

import sys
from pathlib import Path

import pytest

from skgnnrec import PopularityRecommender
from skgnnrec.tracking import TensorBoardCallback


def test_each_fit_has_a_folder_with_the_name_of_the_estimator(tmp_path, X):
    pytest.importorskip("tensorboard", reason="tensorboard is not installed")
    callback = TensorBoardCallback(tmp_path / "new" / "runs")
    folders = set()
    for _ in range(3):  # in one second
        PopularityRecommender().set_callbacks(callback).fit(X)
        folders.add(Path(callback.run_dir_))
    assert folders == set((tmp_path / "new" / "runs").iterdir())
    assert len(folders) == 3
    assert all(folder.name.startswith("PopularityRecommender-2") for folder in folders)


def test_without_tensorboard_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match=r'TensorBoardCallback needs .*pip install "skgnnrec\[tensorboard\]"'):
        TensorBoardCallback()
