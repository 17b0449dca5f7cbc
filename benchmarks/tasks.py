"""The tasks of the benchmarks: histories, held-out interactions and item texts.

Each task has two parts. `validation` splits the training data again, for the selection of settings. `test` is for the
final results. Data that are not part of the package are read from the folder `SKGNNREC_DATA`, by default
`../shared/data`.
"""

import gzip
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import sparse

from skgnnrec.datasets import load_movietweetings, load_online_retail
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import split_interactions

DATA = Path(os.environ.get("SKGNNREC_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@dataclass
class Task:
    """One split of one data set."""

    history: sparse.csr_array  # (n_users, n_items): binary, for the fit
    recent: sparse.csr_array | None  # the same entries weighted by recency, for the recommendation
    held_out: sparse.csr_array  # (n_users, n_items)
    texts: list[str] | None  # of the items

    @property
    def histories(self) -> sparse.csr_array:
        """The histories, weighted by recency where there are times."""
        return self.history if self.recent is None else self.recent


def gowalla(part: str) -> Task:
    """Check-ins, with the split of LightGCN, without times and texts."""
    train = sparse.csr_array(sparse.load_npz(DATA / "gowalla" / "train.npz")).astype(np.float32)
    if part == "validation":
        train, held_out = split_interactions(train, hold_out="random", test_size=0.2, random_state=0)
    else:
        held_out = sparse.csr_array(sparse.load_npz(DATA / "gowalla" / "test.npz")).astype(np.float32)
    return Task(train, None, held_out, None)


def beauty(part: str, decay: float = 0.75) -> Task:
    """Purchases of cosmetics in order. The last item of each user is held out; for validation, the item before it."""
    return _last_item("amazon_beauty", part, decay)


def toys(part: str, decay: float = 0.75) -> Task:
    """Purchases of toys, split as those of cosmetics."""
    return _last_item("amazon_toys", part, decay)


def lastfm(part: str) -> Task:
    """Artists of listeners, without times and texts. A random fifth of each row is held out."""
    data = pd.read_csv(DATA / "lastfm" / "user_artists.tsv.gz", sep="\t")
    rows, columns = (pd.factorize(data.iloc[:, n], sort=True)[0] for n in range(2))
    X = _matrix(np.ones(len(data)), rows, columns, (rows.max() + 1, columns.max() + 1))
    return _random(X, None, part)


def lastfm_quarter(part: str) -> Task:
    """One in four of the pairs of LastFM: about ten artists for a user, one or two users for most artists."""
    return _random(_quarter(lastfm("all").history), None, part)


def movietweetings_quarter(part: str) -> Task:
    """One in four of the pairs of MovieTweetings: about five films for a user, one or two users for most films."""
    task = movietweetings("test")
    return _random(_quarter(sparse.csr_array(task.history + task.held_out)), task.texts, part)


def online_retail(part: str, decay: float = 0.75) -> Task:
    """Purchases of a gift shop. The last fifth of the time is held out, for users with a history."""
    data = load_online_retail()
    return _future(data, data["items"]["description"].tolist(), part, decay)


def movietweetings(part: str, decay: float = 0.75) -> Task:
    """Ratings of films. The last fifth of the time is held out, for users with a history."""
    data = load_movietweetings()
    items = data["items"]
    texts = items["title"] + ". " + items["genres"].str.replace("|", ", ")
    return _future(data, texts.tolist(), part, decay)


RANK = {"gowalla": 20, "lastfm": 20, "lastfm_quarter": 20, "movietweetings_quarter": 20}  # of lists; elsewhere 10
TASKS = {
    task.__name__: task
    for task in (gowalla, beauty, toys, online_retail, movietweetings, lastfm, lastfm_quarter, movietweetings_quarter)
}


def nonempty(X: sparse.csr_array) -> np.ndarray:
    """Return the rows with entries."""
    return np.flatnonzero(np.diff(X.indptr))


def accuracy(held_out: sparse.csr_array, lists: np.ndarray, k: int = 10, prefix: str = "") -> dict[str, float]:
    """Return recall and NDCG of lists."""
    found = ranking_metrics(held_out, lists, k=k)
    return {f"{prefix}{name}@{k}": round(found[name], 4) for name in ("recall", "ndcg")}


def cold_split(task: Task) -> tuple:
    """Return histories without a fifth of the items, the held-out interactions, these items, and the users to rank."""
    history, held_out = split_interactions(task.history, hold_out="cold_items", test_size=0.2, random_state=0)
    cold = np.flatnonzero(np.bincount(held_out.indices, minlength=held_out.shape[1]))
    return history, held_out, cold, np.intersect1d(nonempty(history), nonempty(held_out))


def sample_users(task: Task, n_users: int) -> np.ndarray:
    """Return a random sample of the users with held-out interactions."""
    return np.sort(np.random.default_rng(0).permutation(nonempty(task.held_out))[:n_users])


def _last_item(folder: str, part: str, decay: float) -> Task:
    """Hold out the last item of each sequence, for validation the item before it."""
    with gzip.open(DATA / folder / "sequences.txt.gz", "rt", encoding="utf-8") as lines:
        sequences = [np.array(line.split()[1:], dtype=np.int64) - 1 for line in lines]
    items = pd.read_csv(DATA / folder / "items.csv.gz").set_index("item_id").iloc[:, -1]
    n_items = int(items.index.max())
    if part == "validation":
        sequences = [sequence[:-1] for sequence in sequences]
    rows = np.repeat(np.arange(len(sequences)), [len(sequence) - 1 for sequence in sequences])
    columns = np.concatenate([sequence[:-1] for sequence in sequences])
    ages = np.concatenate([np.arange(len(sequence) - 2, -1, -1) for sequence in sequences])
    last = np.array([sequence[-1] for sequence in sequences])
    shape = (len(sequences), n_items)
    return Task(
        _matrix(np.ones(len(rows)), rows, columns, shape),
        _matrix(decay**ages, rows, columns, shape),
        _matrix(np.ones(len(last)), np.arange(len(last)), last, shape),
        items.reindex(range(1, n_items + 1)).fillna("").tolist(),
    )


def _random(X: sparse.csr_array, texts: list[str] | None, part: str) -> Task:
    """Hold out a random fifth of each row, for validation a fifth of the rest; "all" holds out nothing."""
    if part == "all":
        return Task(X, None, sparse.csr_array(X.shape, dtype=X.dtype), texts)
    X, held_out = split_interactions(X, hold_out="random", test_size=0.2, random_state=1)
    if part == "validation":
        X, held_out = split_interactions(X, hold_out="random", test_size=0.2, random_state=0)
    return Task(X, None, held_out, texts)


def _quarter(X: sparse.csr_array) -> sparse.csr_array:
    """Return a random quarter of the pairs, of the users with three or more of them."""
    rows = np.repeat(np.arange(X.shape[0]), np.diff(X.indptr))
    kept = np.random.default_rng(0).random(X.nnz) < 0.25
    X = _matrix(np.ones(kept.sum()), rows[kept], X.indices[kept], X.shape)
    return X[np.flatnonzero(np.diff(X.indptr) >= 3)]


def _future(data: dict, texts: list[str], part: str, decay: float) -> Task:
    """Hold out the pairs of user and item whose first interaction is after the cut."""
    events = data["events"]
    rows = pd.Index(data["user_ids"]).get_indexer(events["user_id"])
    columns = pd.Index(data["item_ids"]).get_indexer(events["item_id"])
    times = events["timestamp"].to_numpy().astype("datetime64[s]").astype(np.int64)
    if part == "validation":
        kept = times <= np.quantile(times, 0.8)
        rows, columns, times = rows[kept], columns[kept], times[kept]
    cut = np.quantile(times, 0.8)
    past = times <= cut
    new = pd.Series(times).groupby([rows, columns]).transform("min").to_numpy() > cut
    # The age of an interaction is the number of later days with interactions of the user.
    days = pd.Series(-(times[past] // 86_400))
    ages = days.groupby(rows[past]).rank(method="dense").to_numpy() - 1
    shape = (len(data["user_ids"]), len(texts))
    history = _matrix(np.ones(past.sum()), rows[past], columns[past], shape)
    recent = _matrix(decay**ages, rows[past], columns[past], shape)
    held_out = _matrix(np.ones(new.sum()), rows[new], columns[new], shape)
    active = nonempty(history)
    return Task(history[active], recent[active], held_out[active], texts)


def _matrix(values: np.ndarray, rows: np.ndarray, columns: np.ndarray, shape: tuple[int, int]) -> sparse.csr_array:
    """Return the matrix. Of repeated purchases the latest counts, which has the largest value."""
    order = np.lexsort((-values, columns, rows))
    cells = rows[order] * np.int64(shape[1]) + columns[order]
    latest = order[np.append(True, cells[1:] != cells[:-1])]
    return sparse.csr_array((values[latest].astype(np.float32), (rows[latest], columns[latest])), shape=shape)
