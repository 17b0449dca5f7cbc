"""Measure what friends and profiles of users add to their histories; write the figures to social.json.

    python benchmarks/social.py [friends | users | profiles]

`friends`: Last.fm, artists with at least five listeners. A fifth of the interactions of each user is held out, and all
of those of a fifth of the users (cold users). `users`: a fifth of the friendships is held out, and users are
recommended to users. `profiles`: generated users with a questionnaire, and the countries of Online Retail, where the
histories of a fifth of the users are emptied. Settings are selected on the validation part, which splits the training
data again.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from run import machine
from scipy import sparse
from sklearn.base import clone
from sklearn.decomposition import TruncatedSVD
from sklearn.preprocessing import OneHotEncoder
from tasks import DATA

from skgnnrec import (
    ContentRecommender,
    GraphFilterRecommender,
    ItemCatalog,
    PopularityRecommender,
    RidgeRecommender,
    SocialRecommender,
    UserContentRecommender,
)
from skgnnrec.datasets import load_online_retail, make_interactions
from skgnnrec.metrics import ndcg_at_k, recall_at_k
from skgnnrec.model_selection import split_interactions

PATH = Path(__file__).parent / "social.json"
K = 20
INNER = {"ridge": RidgeRecommender(alpha=5.0), "filter": GraphFilterRecommender()}
FRIEND_WEIGHTS, N_STEPS = (0.0, 0.125, 0.25, 0.5, 1.0), (1, 2)
PROFILE_WEIGHTS = (0.3, 1.0, 3.0)
COLD_SHARE = 0.2


def lastfm() -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return users x artists and users x users."""
    plays = pd.read_csv(DATA / "lastfm" / "user_artists.tsv.gz", sep="\t")
    pairs = pd.read_csv(DATA / "lastfm" / "user_friends.tsv.gz", sep="\t")
    plays = plays[plays.groupby("artistID")["userID"].transform("nunique") >= 5]
    users = np.unique(np.concatenate([plays["userID"], pairs["userID"], pairs["friendID"]]))
    artists, columns = np.unique(plays["artistID"], return_inverse=True)
    rows, left, right = (np.searchsorted(users, ids) for ids in (plays["userID"], pairs["userID"], pairs["friendID"]))
    X = sparse.csr_array((np.ones(len(rows), dtype=np.float32), (rows, columns)), (len(users), len(artists)))
    return X, sparse.csr_array((np.ones(len(left), dtype=np.float32), (left, right)), (len(users), len(users)))


def emptied(X: sparse.csr_array, users: np.ndarray) -> sparse.csr_array:
    """Return the matrix without the interactions of some users."""
    is_kept = np.ones(X.shape[0])
    is_kept[users] = 0
    kept = sparse.csr_array(sparse.diags_array(is_kept) @ X).astype(np.float32)
    kept.eliminate_zeros()
    return kept


def parts_of(X: sparse.csr_array, part: str) -> tuple[sparse.csr_array, sparse.csr_array, np.ndarray]:
    """Return histories, held-out interactions and the cold users: half of them are for validation."""
    cold = np.random.default_rng(0).permutation(X.shape[0])[: round(COLD_SHARE * X.shape[0])]
    history, held_out = split_interactions(emptied(X, cold), test_size=0.2, random_state=0)
    if part == "validation":
        history, held_out = split_interactions(history, test_size=0.2, random_state=0)
    counted = np.sort(cold[::2] if part == "validation" else cold[1::2])
    others = np.setdiff1d(np.arange(X.shape[0]), counted)
    return history, sparse.csr_array(held_out + emptied(X, others)), counted


def accuracy(lists: np.ndarray, held_out: sparse.csr_array, cold: np.ndarray) -> dict[str, float]:
    """Return the accuracy for users with a history, for cold ones and for all."""
    found, is_cold = {}, np.isin(np.arange(len(lists)), cold)
    for name, is_counted in (("", ~is_cold), ("cold ", is_cold), ("all ", np.ones(len(lists), dtype=bool))):
        users = np.flatnonzero((np.diff(held_out.indptr) > 0) & is_counted)
        for metric, score in (("recall", recall_at_k), ("ndcg", ndcg_at_k)):
            found[f"{name}{metric}@{K}"] = round(float(score(held_out[users], lists[users], k=K)), 4)
    return found


def selected(rank: Callable[[str, dict], dict], grid: list[dict]) -> dict:
    """Return settings with the best NDCG of all users on the validation part, and the accuracy on the test part."""
    scores = [rank("validation", settings)[f"all ndcg@{K}"] for settings in grid]
    best = grid[int(np.argmax(scores))]
    return {**best, **rank("test", best)}


def rows_of_friends() -> list[dict]:
    """Return the accuracy with and without friends."""
    X, friends = lastfm()
    everyone, rows = np.arange(X.shape[0]), []
    history, held_out, cold = parts_of(X, "test")
    popular = PopularityRecommender().fit(history).recommend(history, K)[0]
    rows.append({"recommender": "popularity", **accuracy(popular, held_out, cold)})
    for name, inner in INNER.items():

        def rank(part: str, settings: dict, inner: RidgeRecommender | GraphFilterRecommender = inner) -> dict:
            history, held_out, cold = parts_of(X, part)
            model = SocialRecommender(clone(inner), friends, **settings).fit(history)
            return accuracy(model.recommend(history, K, users=everyone)[0], held_out, cold)

        grid = [{"friend_weight": g, "n_steps": k} for g in FRIEND_WEIGHTS for k in N_STEPS]
        rows.append({"recommender": name, **rank("test", grid[0])})
        rows.append({"recommender": f"{name}, friends", **selected(rank, grid[2:])})
        print(*rows[-2:], sep="\n", flush=True)
    return rows


def rows_of_users() -> list[dict]:
    """Return the accuracy of users recommended to users, with friends of friends and without them."""
    X, friends = lastfm()
    pairs = sparse.triu(friends + friends.T, k=1).tocoo()
    is_held_out = np.random.default_rng(0).random(pairs.nnz) < 0.2

    def symmetric(chosen: np.ndarray) -> sparse.csr_array:
        graph = sparse.coo_array((np.ones(chosen.sum()), (pairs.row[chosen], pairs.col[chosen])), shape=friends.shape)
        return sparse.csr_array(graph + graph.T).astype(np.float32)

    known, held_out = symmetric(~is_held_out), symmetric(is_held_out)
    own = sparse.csr_array(known + sparse.eye_array(known.shape[0], dtype=np.float32))  # nobody gets themselves
    distant = sparse.csr_array(held_out - held_out.multiply((own @ own) > 0))
    tastes = ItemCatalog(TruncatedSVD(64, random_state=0).fit_transform(X))
    models = {
        "popularity": PopularityRecommender(),
        "tastes": ContentRecommender(catalog=tastes),
        "ridge": RidgeRecommender(),
        "ridge, tastes": RidgeRecommender(catalog=tastes),
        "filter": GraphFilterRecommender(),
        "filter, tastes": GraphFilterRecommender(catalog=tastes),
    }
    rows = []
    for name, model in models.items():
        scores = model.fit(own).decision_function(own)
        scores[own.nonzero()] = -np.inf
        row = {"recommender": name}
        for kind, relevant in (("", held_out), ("distant ", distant)):
            if kind:
                scores[(own @ own).nonzero()] = -np.inf
            lists, users = np.argsort(-scores, axis=1, kind="stable")[:, :K], np.flatnonzero(np.diff(relevant.indptr))
            row[f"{kind}recall@{K}"] = round(float(recall_at_k(relevant[users], lists[users], k=K)), 4)
            row[f"{kind}ndcg@{K}"] = round(float(ndcg_at_k(relevant[users], lists[users], k=K)), 4)
        rows.append(row)
        print(row, flush=True)
    return rows


def generated() -> tuple[sparse.csr_array, pd.DataFrame]:
    """Return users who answer questions about topics, with errors and gaps, and name the favourite one of half."""
    data = make_interactions(3000, 800, n_interactions=0.02, n_topics=12, topic_concentration=0.3, random_state=0)
    rng = np.random.default_rng(0)
    answers = data.user_topics + 0.1 * rng.standard_normal(data.user_topics.shape)
    return sparse.csr_array(data.interactions), pd.DataFrame(answers).rename(columns=str)


def retail() -> tuple[sparse.csr_array, pd.DataFrame]:
    """Return the customers of Online Retail with their countries."""
    data = load_online_retail()
    lines = pd.read_csv(DATA / "online_retail" / "transactions.csv.gz", usecols=["customer_id", "country"])
    country = lines.dropna().drop_duplicates("customer_id").set_index("customer_id")["country"]
    return sparse.csr_array(data.interactions), country.reindex(data.user_ids).to_frame()


def rows_of_profiles() -> list[dict]:
    """Return the accuracy with and without profiles."""
    rows = []
    encoder = OneHotEncoder(handle_unknown="ignore", min_frequency=5, sparse_output=False)
    for name, load, user_encoder in (("generated", generated, None), ("online_retail", retail, encoder)):
        X, table = load()
        X = X[:, np.bincount(X.indices, minlength=X.shape[1]) >= 5].astype(np.float32)
        X.data[:] = 1
        history, held_out, cold = parts_of(X, "test")
        for known, model in {"popularity": PopularityRecommender(), **INNER}.items():
            lists = clone(model).fit(history).recommend(history, K)[0]
            rows.append({"data": name, "recommender": known, **accuracy(lists, held_out, cold)})
        for known, inner in INNER.items():

            def rank(part: str, settings: dict, X=X, table=table, inner=inner, encoder=user_encoder) -> dict:
                history, held_out, cold = parts_of(X, part)
                warm = np.flatnonzero(np.diff(history.indptr))
                model = UserContentRecommender(clone(inner), user_encoder=encoder, **settings)
                model.fit(history[warm], users=table.iloc[warm])
                return accuracy(model.recommend(history, K, users=table)[0], held_out, cold)

            grid = [{"profile_weight": weight} for weight in (PROFILE_WEIGHTS if known == "ridge" else (1.0,))]
            rows.append({"data": name, "recommender": f"{known}, profiles", **selected(rank, grid)})
        print(*rows[-5:], sep="\n", flush=True)
    return rows


MEASURES = {"friends": rows_of_friends, "users": rows_of_users, "profiles": rows_of_profiles}


def main(arguments: list[str]) -> None:
    """Measure some tables, and keep the others."""
    results = json.loads(PATH.read_text()) if PATH.exists() else {}
    for kind in [kind for kind in arguments if kind in MEASURES] or list(MEASURES):
        results[kind] = {"rows": MEASURES[kind](), "machine": machine()}
        PATH.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
