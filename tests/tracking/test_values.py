"""Parameters and results as trackers show them."""

import numpy as np
import pytest
from sklearn.base import BaseEstimator, TransformerMixin

from skgnnrec import ItemCatalog, LogRecommender, RidgeRecommender
from skgnnrec.tracking import TensorBoardCallback

pytest.importorskip("tensorboard", reason="tensorboard is not installed")


@pytest.fixture
def parameters(tmp_path):
    """Return a function that fits an estimator and returns the parameters in its file of TensorBoard."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    def read(estimator, X):
        callback = TensorBoardCallback(tmp_path, save_fitted=False)
        estimator.set_callbacks(callback).fit(X)
        events = EventAccumulator(callback.run_dir_).Reload()
        content = events.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        values = HParamsPluginData.FromString(content).session_start_info.hparams
        found = {name: getattr(value, value.WhichOneof("kind")) for name, value in values.items()}
        text = events.Tensors("parameters/text_summary")[0].tensor_proto.string_val[0].decode()
        return found, text

    return read


def test_numbers_booleans_and_texts_stay_what_they_are(parameters):
    ridge = RidgeRecommender(alpha=np.float32(2.5), binary=False, n_recommendations=np.int64(3))
    log = {"customer": [1, 1, 2, 2], "item": list("abac")}
    found, text = parameters(LogRecommender(ridge, user="customer", item="item"), log)
    assert (found["recommender__alpha"], found["recommender__n_recommendations"]) == (2.5, 3)
    assert (found["recommender__binary"], found["user"], found["weight"]) == (False, "customer", "None")
    assert "| recommender__alpha | 2.5 |" in text


def test_other_values_are_one_short_line(parameters):
    class Long(TransformerMixin, BaseEstimator):
        def fit(self, X, y=None):
            return self

        def transform(self, X):
            return np.ones((len(X), 2))

        def __repr__(self):
            return "Long(\n  '|'" + "x" * 1000 + ")"

    catalog = ItemCatalog(["red mug", "blue mug", "pot", "cup", "can", "jar"])
    found, text = parameters(RidgeRecommender(catalog=catalog, item_encoder=Long()), np.eye(4, 6) + 1)
    assert found["catalog"] == repr(catalog)
    assert found["item_encoder"] == "Long( '|'" + "x" * 240 + "…"
    assert "| item_encoder | Long( '\\|'xx" in text
