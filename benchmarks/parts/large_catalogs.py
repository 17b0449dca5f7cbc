"""Large catalogs: the sparse solver of the ridge, the pruned graph of the filter, growth to a million items, and lists.

The generated data have as many users as items, 100 topics, and 10 interactions of an item on average with long tails:
the median item has 3 users. They are written to the folder for temporary files. The filter has 64 components there.
Each fit is a process of its own with one thread, and other processes ran on the machine. `cpu_s` is the time of the
processor, `fit_mib` the peak of memory of the fit without libraries and data, and `total_mib` the peak of the process.
`entries` are the weights without the part of low rank, and `model_mib` is the memory of both.
"""

import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from common import Row, Rows, Section, forget_peak, in_process, peak_mib, sections, stored_rows
from models import embed
from scipy import sparse
from tasks import RANK, TASKS

from parts.growth import slope
from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.recommenders import _graph_filter

CATALOGS = Path(tempfile.gettempdir()) / "skgnnrec-catalogs"
ONE_THREAD = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
DATA = {"lastfm": False, "beauty": False, "beauty + text": True}  # whether with texts
SOLVERS, PAIRS, SIZES = (0, 16, 64, 100), (0, 1000, 500, 200, 100, 50), (10_000, 100_000, 200_000, 1_000_000)
SEARCHED, COSTS = (100_000, 1_000_000), ("cpu_s", "fit_mib", "model_mib")
N_PREDICTORS, N_USERS, N, DIM = 64, 500, 20, 64


def measured(*arguments: Any) -> Row:
    """Return the row of a new process with one thread."""
    return in_process("large_catalogs", *map(str, arguments), **ONE_THREAD)


def catalog_of(n: int) -> sparse.csr_array:
    """Return generated interactions of n users and items, which are written the first time."""
    path = CATALOGS / f"{n}.npz"
    if not path.exists():
        CATALOGS.mkdir(exist_ok=True)
        data = make_interactions(n, n, n_interactions=10 * n, n_topics=100, random_state=0)
        sparse.save_npz(CATALOGS / f"{n}-unfinished.npz", data.interactions, compressed=False)
        (CATALOGS / f"{n}-unfinished.npz").rename(path)
    return sparse.csr_array(sparse.load_npz(path))


def fit(model: Any, X: sparse.csr_array) -> Row:
    """Fit a recommender, and return its costs."""
    type(model)().fit(X[:50, :50])  # loads what is used first
    base, before = forget_peak(), time.process_time()
    model.fit(X)
    row: Row = {"cpu_s": round(time.process_time() - before, 1), "fit_mib": peak_mib() - base, "total_mib": peak_mib()}
    W = model.weights_ if isinstance(model, RidgeRecommender) else model.graph_
    parts = [W.data, W.indices, W.indptr] if sparse.issparse(W) else [W]
    if isinstance(model, GraphFilterRecommender) or (sparse.issparse(W) and model.item_vectors_ is not None):
        parts += 2 * [model.item_embedding_]  # of the part of low rank
    return row | {"entries": parts[0].size, "model_mib": round(sum(part.nbytes for part in parts) / 2**20, 1)}


def ndcg_of(name: str, found: np.ndarray) -> float:
    """Return the NDCG@20 (LastFM) or NDCG@10 of lists for the test part."""
    return round(float(ndcg_at_k(TASKS[name]("test").held_out, found)), 5)


def accuracy(name: str) -> Rows:
    """Yield accuracy and costs of the dense and of the sparse solver; with text, both have the linear kernel."""
    dense = None
    for n_predictors in SOLVERS:
        row = measured("solver", name, n_predictors)
        dense = dense or row["ndcg"]
        yield {"predictors": n_predictors or "dense", **row, "ratio of ndcg": round(row["ndcg"] / dense, 3)}


def solver(name: str, n_predictors: str) -> Row:
    """Return accuracy and costs of a solver."""
    task_name = name.partition(" ")[0]
    task = TASKS[task_name]("test")
    settings: Row = {"solver": "sparse", "n_predictors": int(n_predictors)} if int(n_predictors) else {}
    settings |= {"catalog": ItemCatalog(embed(task_name, task)), "gamma": 0} if DATA[name] else {}
    model = RidgeRecommender(popularity_weight=0, **settings)
    costs = fit(model, task.history)
    return {"ndcg": ndcg_of(task_name, model.recommend(task.history, RANK.get(task_name, 10))[0]), **costs}


def pruned() -> Rows:
    """Yield accuracy and costs of filters with the pairs of each item that have the largest cosines alone."""
    for name in ("lastfm", "beauty"):
        for n_pairs in PAIRS:
            yield {"data": name, "pairs": n_pairs or "all", **measured("prune", name, n_pairs)}


def prune(name: str, n_pairs: str) -> Row:
    """Return accuracy and costs of a filter, as where memory ends at so many pairs."""
    if int(n_pairs):
        _graph_filter.pairs_that_fit = lambda *arguments: int(n_pairs)
    model, task = GraphFilterRecommender(), TASKS[name]("test")
    costs = fit(model, task.history)
    return {"ndcg": ndcg_of(name, model.recommend(task.history, RANK.get(name, 10))[0]), **costs}


def growth(name: str) -> Rows:
    """Yield the costs for one number of items."""
    measured("write", name.partition(" ")[2])
    yield {"model": name, **measured("grow", *name.split(" "))}


def grow(name: str, n: str) -> Row:
    """Return the costs of a fit, and of exact lists of 20 items for some users."""
    X, ridge = catalog_of(int(n)), {"solver": "sparse", "n_predictors": N_PREDICTORS}
    model = RidgeRecommender(**ridge) if name == "ridge" else GraphFilterRecommender(n_components=DIM)
    row = {"items": X.shape[1], "interactions": X.nnz, **fit(model, X)}
    before = time.process_time()
    model.recommend(X[:N_USERS], N)
    return row | {"users_per_cpu_s": round(N_USERS / (time.process_time() - before))}


def exponents() -> Rows:
    """Yield the slope of the logarithm of each cost over the logarithm of the number of items, as stored."""
    for name in ("ridge", "filter"):
        rows = [row for row in stored_rows("large_catalogs", "growth") if row["model"].startswith(name)]
        costs = {cost: slope([row["items"] for row in rows], [row[cost] for row in rows]) for cost in COSTS}
        yield {"model": name, "sizes": len(rows), **costs}


def indexed(size: int) -> Rows:
    """Yield users per second, recall and memory of exact lists and of those of the index of `export`."""
    measured("write", size)
    yield from measured("search", size)


def search(size: str) -> list[Row]:
    """Return the rows of exact lists and of indexes. Item vectors are in clusters of a hundred items, as of texts."""
    from skgnnrec.export import to_index

    X = catalog_of(int(size))
    rng = np.random.default_rng(0)
    centers = rng.standard_normal((int(size) // 100, DIM), dtype=np.float32)
    vectors = np.repeat(centers, 100, axis=0) + 0.7 * rng.standard_normal((int(size), DIM), dtype=np.float32)
    model = ContentRecommender(catalog=ItemCatalog(vectors)).fit(X)
    asked = X[np.flatnonzero(np.diff(X.indptr) > 4)[:: X.shape[0] // N_USERS // 2][:N_USERS]]
    rows, exact = [], None
    for lists, depth in (("exact", 0), ("index", 64), ("index", 256)):
        base, before = forget_peak(), time.process_time()
        asks = to_index(model, search_depth=depth) if depth else model
        built, before = time.process_time() - before, time.process_time()
        found = asks.recommend(asked, N)[0]
        exact = found if exact is None else exact
        shared = np.mean([len(np.intersect1d(*pair)) / N for pair in zip(found, exact, strict=True)])
        row = {"lists": f"{lists}, depth {depth}" if depth else lists, "build_cpu_s": round(built)}
        row |= {
            "users_per_cpu_s": round(asked.shape[0] / (time.process_time() - before)),
            "recall@20": round(shared, 3),
        }
        rows.append(row | {"added_mib": peak_mib() - base})
    return rows


def worker(what: str, *arguments: str) -> Any:
    """Return the figures of one process."""
    if what == "write":
        return catalog_of(int(arguments[0])).nnz
    known = {"solver": solver, "prune": prune, "grow": grow, "search": search}
    return known[what](*arguments)


MODELS = tuple(f"{name} {size}" for name in ("ridge", "filter") for size in SIZES)
SECTIONS = sections("The sparse solver of the ridge: {}", accuracy, DATA) | {
    "pruned": Section("The filter with a pruned graph", pruned),
    "growth": Section("Growth with the catalog, with 10 interactions of an item", growth, MODELS),
    "exponents": Section("Fitted exponents of the growth with the catalog", exponents),
}
for size in SEARCHED:
    SECTIONS[f"lists {size}"] = Section(f"Exact lists and an index of {size} items", partial(indexed, size))
