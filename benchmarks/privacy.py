"""Measure differential privacy: accuracy, and the success of attacks; write privacy.json and privacy.png.

    python benchmarks/privacy.py [generated] [online_retail] [attacks]

- generated: 100,000 users and 1,000 items from `make_interactions`; a random fifth of each row is held out.
- online_retail: the task of `run.py`, with the vectors of the item texts where a row says so. Texts are public: the
  noise does not concern them.
- attacks: a quarter of the users of Online Retail are in the fit, and the attacker has another quarter. The area under
  the ROC curve is 0.5 by chance; the share of members found is that with one percent of false positives. "forgotten" is
  a fit to two quarters that has forgotten the members.

δ is 1e-6, and the seed of the noise is fixed, so that the figures can be repeated.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from models import embed
from run import machine
from scipy import sparse
from tasks import TASKS, Task

from skgnnrec import GraphFilterRecommender, ItemCatalog, PopularityRecommender, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import ranking_metrics
from skgnnrec.model_selection import split_interactions
from skgnnrec.privacy import PrivateRecommender, membership_attack
from skgnnrec.recommenders import BaseRecommender

HERE = Path(__file__).parent
DELTA, N_ASKED = 1e-6, 5000
WITHOUT = "no noise"
EPSILONS = {"generated": [0.1, 0.3, 1.0, 3.0, 10.0], "online_retail": [1.0, 3.0, 10.0, 30.0, 100.0]}
ATTACKED = [1.0, 10.0, 100.0]


def generated() -> tuple[Task, dict[str, BaseRecommender]]:
    """Return the generated task and its recommenders."""
    X = make_interactions(100_000, 1000, n_interactions=2_000_000, n_topics=30, random_state=0).interactions
    history, held_out = split_interactions(X, random_state=0)
    models = {"ridge": RidgeRecommender(alpha=3.0), "filter": GraphFilterRecommender(n_components=128)}
    return Task(history, None, held_out, None), {"popularity": PopularityRecommender(), **models}


def online_retail() -> tuple[Task, dict[str, BaseRecommender]]:
    """Return the task of Online Retail and its recommenders."""
    task = TASKS["online_retail"]("test")
    catalog = ItemCatalog(embed("online_retail", task))
    models = {"ridge": RidgeRecommender(), "ridge + text": RidgeRecommender(catalog=catalog)}
    return task, {"popularity": PopularityRecommender(), **models}


def curve(task_name: str) -> Iterator[dict[str, Any]]:
    """Yield the accuracy of each recommender without noise and for each ε."""
    task, models = {"generated": generated, "online_retail": online_retail}[task_name]()
    asked = np.flatnonzero(np.diff(task.held_out.indptr))
    asked = np.sort(np.random.default_rng(0).choice(asked, min(N_ASKED, len(asked)), replace=False))
    for name, model in models.items():
        for epsilon in [WITHOUT, *EPSILONS[task_name]]:
            rec = model if epsilon == WITHOUT else protected(model, float(epsilon))
            before = time.perf_counter()
            rec.fit(task.history)
            seconds = time.perf_counter() - before
            ranked, _ = rec.recommend(task.history[asked], 10)
            ndcg = float(ranking_metrics(task.held_out[asked], ranked)["ndcg"])
            yield {"recommender": name, "epsilon": epsilon, "ndcg@10": round(ndcg, 4), "fit, s": round(seconds, 1)}


def protected(model: BaseRecommender, epsilon: float) -> PrivateRecommender:
    """Return a recommender with noise."""
    return PrivateRecommender(model, epsilon=epsilon, delta=DELTA, random_state=0)


def attacks() -> Iterator[dict[str, Any]]:
    """Yield the success of attacks on scores and on lists."""
    X = sparse.csr_array(TASKS["online_retail"]("test").history)
    order = np.random.default_rng(0).permutation(X.shape[0])
    members, others, known, more = (X[np.sort(order[k::4])] for k in range(4))
    model, reference = RidgeRecommender(), RidgeRecommender().fit(known)
    for name in ["ridge", "ridge, forgotten", *ATTACKED]:
        if name == "ridge, forgotten":
            rec: BaseRecommender = RidgeRecommender().fit(sparse.vstack([members, more])).forget(members)
        else:
            rec = (model if isinstance(name, str) else protected(model, name)).fit(members)
        for sees in ("scores", "lists"):
            attack = membership_attack(rec, members, others, sees=sees, reference=reference, n_questions=5)
            yield {
                "fit": name if isinstance(name, str) else f"epsilon = {name:g}", "attacker sees": sees,
                "auc": round(attack.auc, 3), "auc by chance": f"0.5 ± {attack.auc_std:.3f}",
                "members found": round(attack.true_positive_rate(0.01), 3),
            }  # fmt: skip


def picture(results: dict[str, Any]) -> None:
    """Draw accuracy against ε."""
    names = [name for name in EPSILONS if name in results]
    figure, axes = plt.subplots(1, len(names), figsize=(5 * len(names), 3.8), squeeze=False, layout="constrained")
    for ax, name in zip(axes[0], names, strict=True):
        rows = results[name]["rows"]
        for colour, model in enumerate(dict.fromkeys(row["recommender"] for row in rows)):
            own = {row["epsilon"]: row["ndcg@10"] for row in rows if row["recommender"] == model}
            ax.axhline(own.pop(WITHOUT), color=f"C{colour}", linestyle=":", linewidth=1)
            ax.plot(list(own), list(own.values()), "o-", color=f"C{colour}", label=model)
        ax.set(xscale="log", ylim=(0, None), xlabel="ε", ylabel="NDCG@10")
        ax.set_title({"generated": "100,000 users, 1,000 items", "online_retail": "4,335 users, 3,657 items"}[name])
        ax.grid(alpha=0.3)
        ax.legend(title="dotted: without noise", fontsize=8, title_fontsize=8)
    figure.savefig(HERE / "privacy.png", dpi=120)


def main() -> None:
    """Measure the parts that are named, all of them by default."""
    path = HERE / "privacy.json"
    for name in sys.argv[1:] or [*EPSILONS, "attacks"]:
        rows = []
        for row in attacks() if name == "attacks" else curve(name):
            rows.append(row)
            print(name, json.dumps(row), flush=True)
        results = json.loads(path.read_text()) if path.exists() else {}
        results[name] = {"machine": machine(), "rows": rows}
        path.write_text(json.dumps(results, indent=2) + "\n")
    picture(json.loads(path.read_text()))


if __name__ == "__main__":
    main()
