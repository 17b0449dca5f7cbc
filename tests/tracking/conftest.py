"""Small trainings to be recorded, and readers of what TensorBoard stores."""

from pathlib import Path

import numpy as np
import pytest

from skgnnrec import GNNRecommender


@pytest.fixture(scope="package", name="X")
def interactions():
    return (np.random.default_rng(0).random((24, 10)) < 0.4).astype(float)


@pytest.fixture
def gnn():
    """Return an untrained recommender that trains for two epochs and validates each."""
    return GNNRecommender(
        embedding_dim=4, max_iter=2, early_stopping=True, validation_fraction=0.5, n_recommendations=3, device="cpu"
    )


@pytest.fixture
def read_run():
    """Return a function that reads the curves of a folder of TensorBoard: steps and values by name."""
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator", reason="tensorboard is not installed"
    )

    def read(folder):
        (file,) = Path(folder).glob("events.*")
        events = accumulator.EventAccumulator(str(file)).Reload()
        curves = {tag: events.Scalars(tag) for tag in events.Tags()["scalars"]}
        return {tag: [(point.step, point.value) for point in curve] for tag, curve in curves.items()}

    return read
