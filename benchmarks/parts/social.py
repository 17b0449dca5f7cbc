"""What friends and profiles of users add to their histories.

`friends`: Last.fm, artists with at least five listeners. A fifth of the interactions of each user is held out, and all
of those of a fifth of the users (cold users). `users`: a fifth of the friendships is held out, and users are
recommended to users. `profiles`: generated users with a questionnaire, and the countries of Online Retail, where the
histories of a fifth of the users are emptied. Settings are selected on the validation part, which splits the training
data again.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from common import Row, Rows, Section
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import OneHotEncoder
from tasks import DATA, accuracy, nonempty

import skgnnrec
from skgnnrec.datasets import load_online_retail, make_interactions
from skgnnrec.model_selection import split_interactions
from skgnnrec.recommenders import BaseRecommender

K = 20
INNER = {"ridge": skgnnrec.RidgeRecommender(alpha=5.0), "filter": skgnnrec.GraphFilterRecommender()}
FRIEND_WEIGHTS, N_STEPS = (0.0, 0.125, 0.25, 0.5, 1.0), (1, 2)
PROFILE_WEIGHTS = {"ridge": (0.3, 1.0, 3.0), "filter": (1.0,)}
COLD_SHARE = 0.2


def matrix(rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return a binary matrix; several equal pairs count several times."""
    return sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), shape)


def lastfm() -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return users x artists and users x users."""
    plays = pd.read_csv(DATA / "lastfm" / "user_artists.tsv.gz", sep="\t")
    pairs = pd.read_csv(DATA / "lastfm" / "user_friends.tsv.gz", sep="\t")
    plays = plays[plays.groupby("artistID")["userID"].transform("nunique") >= 5]
    users = np.unique(np.concatenate([plays["userID"], pairs["userID"], pairs["friendID"]]))
    artists, columns = np.unique(plays["artistID"], return_inverse=True)
    rows, left, right = (np.searchsorted(users, ids) for ids in (plays["userID"], pairs["userID"], pairs["friendID"]))
    return matrix(rows, columns, (len(users), len(artists))), matrix(left, right, 2 * (len(users),))


def emptied(X: sparse.csr_array, users: np.ndarray) -> sparse.csr_array:
    """Return the matrix without the interactions of some users."""
    is_kept = np.ones(X.shape[0])
    is_kept[users] = 0
    kept = sparse.csr_array(sparse.diags_array(is_kept) @ X).astype(np.float32)
    kept.eliminate_zeros()
    return kept


class Split:
    """Histories, held-out interactions and the cold users of a part: half of these are for validation."""

    def __init__(self, X: sparse.csr_array, part: str) -> None:
        cold = np.random.default_rng(0).permutation(X.shape[0])[: round(COLD_SHARE * X.shape[0])]
        self.history, held_out = split_interactions(emptied(X, cold), test_size=0.2, random_state=0)
        if part == "validation":
            self.history, held_out = split_interactions(self.history, test_size=0.2, random_state=0)
        self.cold = np.sort(cold[::2] if part == "validation" else cold[1::2])
        others = np.setdiff1d(np.arange(X.shape[0]), self.cold)
        self.held_out = sparse.csr_array(held_out + emptied(X, others))

    def accuracy(self, model: BaseRecommender, **asked: Any) -> Row:
        """Return the accuracy of a fitted model for users with a history, for cold ones and for all."""
        lists, counted = model.recommend(self.history, K, **asked)[0], nonempty(self.held_out)
        groups = {"": np.setdiff1d(counted, self.cold), "cold ": np.intersect1d(counted, self.cold), "all ": counted}
        found = {name: accuracy(self.held_out[users], lists[users], K, name) for name, users in groups.items()}
        return {key: value for each in found.values() for key, value in each.items()}


def selected(rank: Callable[[str, dict], Row], grid: list[dict]) -> Row:
    """Return settings with the best NDCG of all users on the validation part, and the accuracy on the test part."""
    scores = [rank("validation", settings)[f"all ndcg@{K}"] for settings in grid]
    best = grid[int(np.argmax(scores))]
    return {**best, **rank("test", best)}


def friends() -> Rows:
    """Yield the accuracy with and without friends."""
    X, graph = lastfm()
    test = Split(X, "test")
    popular = skgnnrec.PopularityRecommender().fit(test.history)
    yield {"recommender": "popularity", **test.accuracy(popular)}
    for name, inner in INNER.items():

        def rank(part: str, settings: dict, inner: BaseRecommender = inner) -> Row:
            split = Split(X, part)
            model = skgnnrec.SocialRecommender(clone(inner), graph, **settings).fit(split.history)
            return split.accuracy(model, users=np.arange(X.shape[0]))

        grid = [{"friend_weight": weight, "n_steps": n} for weight in FRIEND_WEIGHTS for n in N_STEPS]
        yield {"recommender": name, **rank("test", grid[0])}
        yield {"recommender": f"{name}, friends", **selected(rank, grid[2:])}


def users() -> Rows:
    """Yield the accuracy of users recommended to users, with friends of friends and without them."""
    X, graph = lastfm()
    pairs = sparse.triu(graph + graph.T, k=1).tocoo()
    is_held_out = np.random.default_rng(0).random(pairs.nnz) < 0.2
    halves = (matrix(pairs.row[part], pairs.col[part], graph.shape) for part in (~is_held_out, is_held_out))
    known, held_out = (sparse.csr_array(half + half.T) for half in halves)
    own = sparse.csr_array(known + sparse.eye_array(known.shape[0], dtype=np.float32))  # nobody gets themselves
    distant = sparse.csr_array(held_out - held_out.multiply((own @ own) > 0))
    distant.eliminate_zeros()
    tastes = skgnnrec.ItemCatalog(TruncatedSVD(64, random_state=0).fit_transform(X))
    models = {
        "popularity": skgnnrec.PopularityRecommender(),
        "tastes": skgnnrec.ContentRecommender(catalog=tastes),
        "ridge": skgnnrec.RidgeRecommender(),
        "ridge, tastes": skgnnrec.RidgeRecommender(catalog=tastes),
        "filter": skgnnrec.GraphFilterRecommender(),
        "filter, tastes": skgnnrec.GraphFilterRecommender(catalog=tastes),
    }
    for name, model in models.items():
        scores, row = model.fit(own).decision_function(own), {"recommender": name}
        for kind, relevant, left_out in (("", held_out, own), ("distant ", distant, own @ own)):
            scores[left_out.nonzero()] = -np.inf
            lists, asked = np.argsort(-scores, axis=1, kind="stable")[:, :K], nonempty(relevant)
            row |= accuracy(relevant[asked], lists[asked], K, kind)
        yield row


def generated() -> tuple[sparse.csr_array, pd.DataFrame]:
    """Return users who answer questions about topics, with errors."""
    data = make_interactions(3000, 800, n_interactions=0.02, n_topics=12, topic_concentration=0.3, random_state=0)
    answers = data.user_topics + 0.1 * np.random.default_rng(0).standard_normal(data.user_topics.shape)
    return data.interactions, pd.DataFrame(answers).rename(columns=str)


def retail() -> tuple[sparse.csr_array, pd.DataFrame]:
    """Return the customers of Online Retail with their countries."""
    data = load_online_retail()
    lines = pd.read_csv(DATA / "online_retail" / "transactions.csv.gz", usecols=["customer_id", "country"])
    country = lines.dropna().drop_duplicates("customer_id").set_index("customer_id")["country"]
    return data.interactions, country.reindex(data.user_ids).to_frame()


def profiles() -> Rows:
    """Yield the accuracy with and without profiles."""
    countries = OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False)
    for data, load, encoder in (("generated", generated, None), ("online_retail", retail, countries)):
        X, table = load()
        X = X[:, np.bincount(X.indices, minlength=X.shape[1]) >= 5].astype(np.float32)
        X.data[:] = 1
        test = Split(X, "test")
        for name, model in {"popularity": skgnnrec.PopularityRecommender(), **INNER}.items():
            yield {"data": data, "recommender": name, **test.accuracy(clone(model).fit(test.history))}
        for name, inner in INNER.items():

            def rank(part: str, settings: dict, X=X, table=table, inner=inner, encoder=encoder) -> Row:
                split = Split(X, part)
                warm = nonempty(split.history)
                model = skgnnrec.UserContentRecommender(clone(inner), user_encoder=encoder, **settings)
                return split.accuracy(model.fit(split.history[warm], users=table.iloc[warm]), users=table)

            grid = [{"profile_weight": weight} for weight in PROFILE_WEIGHTS[name]]
            yield {"data": data, "recommender": f"{name}, profiles", **selected(rank, grid)}


SECTIONS = {
    "friends": Section("Friends: Last.fm, accuracy for users with a history and for cold ones", friends),
    "users": Section("Users recommended to users: Last.fm", users),
    "profiles": Section("Profiles of users: generated users and the countries of Online Retail", profiles),
}
