"""Differential privacy: accuracy, and the success of attacks.

- generated: 100,000 users and 1,000 items from `make_interactions`; a random fifth of each row is held out.
- online_retail: the task of the other parts, with the vectors of the item texts where a row says so. Texts are public:
  the noise does not concern them.
- attacks: a quarter of the users of Online Retail are in the fit, and the attacker has another quarter. The area under
  the ROC curve is 0.5 by chance; the share of members found is that with one percent of false positives. "forgotten" is
  a fit to two quarters that has forgotten the members.

δ is 1e-6, and the seed of the noise is fixed, so that the figures can be repeated.
"""

import numpy as np
from common import Rows, Section, sections, timed
from models import embed
from scipy import sparse
from tasks import TASKS, Task, nonempty

from skgnnrec import GraphFilterRecommender, ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ndcg_at_k
from skgnnrec.model_selection import split_interactions
from skgnnrec.privacy import PrivateRecommender, membership_attack
from skgnnrec.recommenders import BaseRecommender

N_ASKED = 5000
EPSILONS = {"generated": (0.1, 0.3, 1.0, 3.0, 10.0), "online_retail": (1.0, 3.0, 10.0, 30.0, 100.0)}
ATTACKED = (1.0, 10.0, 100.0)


def data_of(task_name: str) -> tuple[Task, dict[str, BaseRecommender]]:
    """Return a task and its recommenders."""
    if task_name == "generated":
        X = make_interactions(100_000, 1000, n_interactions=2_000_000, n_topics=30, random_state=0).interactions
        history, held_out = split_interactions(X, random_state=0)
        models = {"ridge": RidgeRecommender(alpha=3.0), "filter": GraphFilterRecommender(n_components=128)}
        return Task(history, None, held_out, None), models
    task = TASKS[task_name]("test")
    with_text = RidgeRecommender(catalog=ItemCatalog(embed(task_name, task)))
    return task, {"ridge": RidgeRecommender(), "ridge + text": with_text}


def curve(task_name: str) -> Rows:
    """Yield the accuracy of each recommender without noise and for each ε."""
    task, models = data_of(task_name)
    asked = nonempty(task.held_out)
    asked = np.sort(np.random.default_rng(0).choice(asked, min(N_ASKED, len(asked)), replace=False))
    for name, model in {"popularity": PopularityRecommender(), **models}.items():
        for epsilon in ("no noise", *EPSILONS[task_name]):
            rec = protected(model, epsilon) if isinstance(epsilon, float) else model
            seconds, _ = timed(lambda rec=rec: rec.fit(task.history))
            ndcg = ndcg_at_k(task.held_out[asked], rec.recommend(task.history[asked], 10)[0])
            yield {"recommender": name, "epsilon": epsilon, "ndcg@10": round(ndcg, 4), "fit, s": round(seconds, 1)}


def protected(model: BaseRecommender, epsilon: float) -> PrivateRecommender:
    """Return a recommender with noise."""
    return PrivateRecommender(model, epsilon=epsilon, delta=1e-6, random_state=0)


def attacks() -> Rows:
    """Yield the success of attacks on scores and on lists."""
    X = TASKS["online_retail"]("test").history
    order = np.random.default_rng(0).permutation(X.shape[0])
    members, others, known, more = (X[np.sort(order[k::4])] for k in range(4))
    reference = RidgeRecommender().fit(known)
    fits = {
        "ridge": RidgeRecommender().fit(members),
        "ridge, forgotten": RidgeRecommender().fit(sparse.vstack([members, more])).forget(members),
    }
    fits |= {f"epsilon = {each:g}": protected(RidgeRecommender(), each).fit(members) for each in ATTACKED}
    for name, rec in fits.items():
        for sees in ("scores", "lists"):
            attack = membership_attack(rec, members, others, sees=sees, reference=reference, n_questions=5)
            row = {"fit": name, "attacker sees": sees, "auc": round(attack.auc, 3)}
            row |= {"auc by chance": f"0.5 ± {attack.auc_std:.3f}"}
            yield {**row, "members found": round(attack.true_positive_rate(0.01), 3)}


SECTIONS = sections("Differential privacy: accuracy by ε, {}", curve, EPSILONS)
SECTIONS["attacks"] = Section("Attacks on the membership of users, Online Retail", attacks)
