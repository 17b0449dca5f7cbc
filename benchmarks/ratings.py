"""Measure the prediction of held-out ratings; write the errors to ratings.json.

    python benchmarks/ratings.py [split ...]

MovieTweetings is part of the package. MovieLens 100K is not: its ratings, in the order of the original u.data, are read
from the file SKGNNREC_ML100K, by default ml-100k/ml-100k.inter in the folder of the other data (the wheel of recbole
1.2.1 contains this file as recbole/dataset_example/ml-100k). Without the file, the split is left out. u1.test is the
first fifth of u.data, as in the script mku.sh of MovieLens 100K.

Each split has a training, a validation and a test part. The settings of the models of scikit-learn and of the biases
are selected on the validation part of each split. `GNNRatingRegressor` has its defaults on all splits, which were
selected on the validation parts. For the test, the models are fitted on the training and the validation part.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from models import text_embedder
from run import machine
from scipy import sparse
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder
from tasks import DATA

from skgnnrec import ContentRecommender, GNNRatingRegressor, ItemCatalog
from skgnnrec.datasets import load_movietweetings
from skgnnrec.recommenders.ratings._biases import Pairs, fit_biases

HERE = Path(__file__).parent
ML100K = Path(os.environ.get("SKGNNREC_ML100K", DATA / "ml-100k" / "ml-100k.inter"))
PAIR = ["user", "item"]
ALPHAS = (1, 2, 3, 5, 10, 20)
STEP_SIZES = (0.03, 0.1)
SEEDS = range(3)


@dataclass
class Split:
    """Ratings, the rows of each part, and the catalog of the films."""

    X: pd.DataFrame  # user, item and, if there are texts, text
    y: np.ndarray
    parts: dict[str, np.ndarray]
    catalog: ItemCatalog | None = None

    def rows(self, asked: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the rows of the fit and the rows to predict for "validation" or "test"."""
        train, validation = self.parts["train"], self.parts["validation"]
        return (train if asked == "validation" else np.concatenate([train, validation])), self.parts[asked]


class BiasRegressor:
    """The mean and damped biases, the start of the training of `GNNRatingRegressor`."""

    def __init__(self, alpha: float, catalog: ItemCatalog | None = None) -> None:
        self.alpha, self.catalog = alpha, catalog

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "BiasRegressor":
        """Fit the biases."""
        vectors = None if self.catalog is None else unit_vectors(self.catalog)
        self.users = pd.Index(X["user"].unique())
        self.items = pd.Index(X["item"].unique() if self.catalog is None else self.catalog.ids)
        pairs = Pairs(self.users.get_indexer(X["user"]), self.items.get_indexer(X["item"]), y - y.mean())
        biases = fit_biases(pairs, len(self.users), len(self.items), self.alpha, vectors)
        self.mean = y.mean()
        # The last bias, at -1, is for unknown users and items.
        self.of_users, self.of_items = (np.append(values, 0.0) for values in biases)
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the ratings of pairs."""
        users, items = self.users.get_indexer(X["user"]), self.items.get_indexer(X["item"])
        return self.mean + self.of_users[users] + self.of_items[items]


def unit_vectors(catalog: ItemCatalog) -> np.ndarray:
    """Return the centred item vectors of unit length, as the recommenders use them."""
    nothing = sparse.csr_array((1, catalog.n_items), dtype=np.float32)
    return ContentRecommender(catalog=catalog).fit(nothing).item_vectors_


def movietweetings(order: str) -> Split:
    """Return ratings of films from 0 to 10: 80 % train, 10 % validation, 10 % test, at random or by time."""
    data = load_movietweetings()
    films = data["items"]
    texts = films["title"] + " (" + films["year"].astype(str) + "). " + films["genres"].str.replace("|", ", ")
    path = HERE / ".cache" / "movietweetings_years.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        np.save(path, text_embedder().fit_transform(texts.tolist()))
    events = data["events"]
    n = len(events)
    rows = np.random.default_rng(0).permutation(n) if order == "random" else np.arange(n)[::-1]
    parts = {"test": rows[: n // 10], "validation": rows[n // 10 : n // 5], "train": rows[n // 5 :]}
    X = pd.DataFrame({"user": events["user_id"], "item": events["item_id"]})
    X["text"] = texts.to_numpy()[pd.Index(films["item_id"]).get_indexer(X["item"])]
    return Split(X, events["rating"].to_numpy(np.float64), parts, ItemCatalog(np.load(path), ids=films["item_id"]))


def movielens() -> Split:
    """Return ratings of films from 1 to 5: u1.test for the test, a tenth of u1.base for validation."""
    ratings = pd.read_csv(ML100K, sep="\t", names=["user", "item", "rating", "time"], header=0)
    base, test = ratings[20_000:], ratings[:20_000]
    # u1.test has 459 users, the largest id is 462, and 1,410 films.
    found = (test["user"].nunique(), test["user"].max(), test["item"].nunique(), base["item"].nunique(), len(base))
    if found != (459, 462, 1_410, 1_650, 80_000):
        raise ValueError(f"{ML100K} does not hold the ratings of MovieLens 100K in the order of u.data.")
    rest = 20_000 + np.random.default_rng(0).permutation(80_000)
    parts = {"test": np.arange(20_000), "validation": rest[:8_000], "train": rest[8_000:]}
    return Split(ratings[PAIR], ratings["rating"].to_numpy(np.float64), parts)


SPLITS = {
    "ml-100k, u1": movielens,
    "movietweetings, random": lambda: movietweetings("random"),
    "movietweetings, time": lambda: movietweetings("time"),
}


def ridge(alpha: float, *texts: Any) -> object:
    """Return a ridge regression on one-hot users and items and, optionally, words."""
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), PAIR), *texts)
    return make_pipeline(columns, Ridge(alpha, solver="sparse_cg", tol=1e-6))


def boosting(step_size: float) -> object:
    """Return gradient boosting on the mean ratings of the user and of the item."""
    folds = KFold(5, shuffle=True, random_state=0)
    means = make_column_transformer((TargetEncoder(target_type="continuous", cv=folds), PAIR))
    return make_pipeline(means, HistGradientBoostingRegressor(learning_rate=step_size, random_state=0))


def error(model: object, split: Split, asked: str) -> float:
    """Return the root mean squared error of a model on a part."""
    fitted, predicted = split.rows(asked)
    model.fit(split.X.iloc[fitted], split.y[fitted])
    return float(root_mean_squared_error(split.y[predicted], model.predict(split.X.iloc[predicted])))


def run_row(name: str, builds: list[Callable[[], object]], split: Split) -> dict:
    """Return the errors of the candidate with the lowest error on the validation part."""
    errors = [error(build(), split, "validation") for build in builds]
    best = int(np.argmin(errors))
    before = time.process_time()
    test = error(builds[best](), split, "test")
    seconds = time.process_time() - before
    return {"model": name, "validation": round(errors[best], 4), "test": round(test, 4), "cpu_s": round(seconds, 2)}


def run_trained(name: str, catalog: ItemCatalog | None, split: Split) -> dict:
    """Return the errors of `GNNRatingRegressor`: mean and standard deviation over seeds on the test part."""
    models = [GNNRatingRegressor(user="user", item="item", catalog=catalog, random_state=seed) for seed in SEEDS]
    row = run_row(name, [lambda: models[0]], split)
    errors = [row["test"], *(error(model, split, "test") for model in models[1:])]
    return {**row, "test": round(float(np.mean(errors)), 4), "std of seeds": round(float(np.std(errors)), 4)}


def run_split(split: Split) -> Iterator[dict]:
    """Yield the rows of a split."""
    words = (TfidfVectorizer(min_df=2), "text")
    yield run_row("mean", [DummyRegressor], split)
    yield run_row("boosting on mean ratings", [lambda size=size: boosting(size) for size in STEP_SIZES], split)
    yield run_row("one-hot ridge", [lambda alpha=alpha: ridge(alpha) for alpha in ALPHAS], split)
    if split.catalog is not None:
        yield run_row("one-hot ridge + words", [lambda alpha=alpha: ridge(alpha, words) for alpha in ALPHAS], split)
    yield run_row("biases", [lambda alpha=alpha: BiasRegressor(alpha) for alpha in ALPHAS], split)
    if split.catalog is not None:
        builds = [lambda alpha=alpha: BiasRegressor(alpha, split.catalog) for alpha in ALPHAS]
        yield run_row("biases + text", builds, split)
    yield run_trained("GNN", None, split)
    if split.catalog is not None:
        yield run_trained("GNN + text", split.catalog, split)


def main(names: list[str]) -> None:
    """Measure splits, and keep the results of the others."""
    path = HERE / "ratings.json"
    results = json.loads(path.read_text()) if path.exists() else {"splits": {}}
    for name in names:
        if name.startswith("ml-100k") and not ML100K.exists():
            print(f"MovieLens 100K is left out: the file {ML100K} does not exist.")
            continue
        rows = []
        for row in run_split(SPLITS[name]()):
            print(name, json.dumps(row), flush=True)
            rows.append(row)
        results["splits"][name], results["machine"] = rows, machine()
        path.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:] or list(SPLITS))
