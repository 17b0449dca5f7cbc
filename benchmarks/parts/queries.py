"""Rankings that a sentence steers, and what explanations say.

Each user asks for one held-out item, by half of the words of its description. The weight of the query is selected on
the validation part. For explanations, the items of the history with the largest contributions to the best
recommendation are removed from the history (deletion), or kept alone (insertion), and so are random items.
"""

import numpy as np
from common import Rows, sections, short_title, timed
from models import text_embedder
from scipy import sparse
from tasks import TASKS, Task, accuracy, nonempty

from skgnnrec import ContentRecommender, GraphFilterRecommender, ItemCatalog, RidgeRecommender
from skgnnrec.inspection import explain
from skgnnrec.recommenders import BaseRecommender

WEIGHTS = (None, 0.3, 0.5, 0.7, 0.8, 0.9, 1.0)  # None ranks by the history alone
N_USERS, N_EXPLAINED = 1500, 300
SHARES = (0.1, 0.25, 0.5)  # of the history
KINDS = {"ridge + text": RidgeRecommender, "filter + text": GraphFilterRecommender, "text": ContentRecommender}


def fitted(name: str, task: Task) -> BaseRecommender:
    """Return a fitted recommender with the texts of the items."""
    return KINDS[name](catalog=ItemCatalog(task.texts), item_encoder=text_embedder()).fit(task.history)


def questions(task: Task) -> tuple[sparse.csr_array, sparse.csr_array, list[str]]:
    """Return histories, one held-out item for each, and half of the words of its description."""
    rng = np.random.default_rng(0)
    users = np.sort(rng.permutation(nonempty(task.held_out))[:N_USERS])
    items = np.array([rng.choice(task.held_out[[user]].indices) for user in users])
    shape = (len(users), task.history.shape[1])
    wanted = sparse.csr_array((np.ones(len(users)), (np.arange(len(users)), items)), shape)
    return task.histories[users], wanted, [half(task.texts[item], rng) for item in items]


def half(text: str, rng: np.random.Generator) -> str:
    """Return a random half of the words of a text."""
    words = text.split()
    kept = np.sort(rng.permutation(len(words))[: max(1, len(words) // 2)])
    return " ".join(words[place] for place in kept)


def steered(task_name: str) -> Rows:
    """Yield the accuracy of history and query, alone and together, on both parts of a task."""
    for part in ("validation", "test"):
        task = TASKS[task_name](part)
        X, wanted, queries = questions(task)
        for name in KINDS:
            model = fitted(name, task)
            for weight in WEIGHTS:
                steering = {} if weight is None else {"query": queries, "query_weight": weight}
                seconds, (ranked, _) = timed(lambda m=model, s=steering, X=X: m.recommend(X, 10, **s))
                row = {"part": part, "recommender": name, "weight": weight, **accuracy(wanted, ranked)}
                yield {**row, "ms_per_user": round(1000 * seconds / X.shape[0], 2)}


def explained(section: str) -> Rows:
    """Yield how much the score of the best item falls without its reasons, or without random items."""
    task, rng = TASKS[section.split()[1]]("test"), np.random.default_rng(0)
    users = np.flatnonzero(np.diff(task.history.indptr) >= 10)
    X = task.history[np.sort(rng.permutation(users)[:N_EXPLAINED])]
    for name in ("ridge + text", "filter + text"):
        model = fitted(name, task)
        best, before = model.recommend(X, 1)
        found = explain(model, X, best).groupby(["user", "source"])["contribution"].sum()
        for share in SHARES:
            changes: dict[str, list[float]] = {}
            for row, held in enumerate(np.split(X.indices, X.indptr[1:-1])):
                n = max(1, round(share * len(held)))
                by_reason = held[np.argsort(-found.get(row).reindex(held).fillna(0).to_numpy(), kind="stable")]
                for kind, order in (("", by_reason), (", random", rng.permutation(held))):
                    for what, kept in (("deletion", order[n:]), ("insertion", order[:n])):
                        history = np.zeros((1, X.shape[1]))
                        history[0, kept] = 1
                        score = model.decision_function(history)[0, best[row, 0]]
                        changes.setdefault(what + kind, []).append(score / before[row, 0])
            shares = {what: round(float(np.median(values)), 3) for what, values in changes.items()}
            yield {"recommender": name, "share": share, **shares}


QUERIES = "Queries of half of the words of a wanted item: NDCG@10 by the weight of the query; {}"
SECTIONS = sections(QUERIES, steered, ["online_retail"])
EXPLAINED = "Share of the score of the best item without its reasons (deletion), or with them (insertion); "
for _name in ("online_retail", "beauty"):
    SECTIONS |= sections(EXPLAINED + short_title(_name), explained, [f"explanations {_name}"])
