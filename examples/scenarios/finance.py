"""
Finance: products within the limits of a client
===============================================

A broker may only show a client products up to the risk class that suits the client. That is a rule, and no model may
bend it: :class:`~skgnnrec.reranking.RulesRecommender` removes the forbidden products and keeps the order of the
others.

The funds and clients are invented. Nothing on this page is advice.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.datasets import make_log
from skgnnrec.metrics import catalog_coverage
from skgnnrec.reranking import RulesRecommender

plt.style.use("skgnnrec.inspection.style")

# %%
# Funds of six kinds, each with a risk class from 1 to 7 and with yearly costs, which are low below 1 %.
kinds = {
    "money market": ["euro cash", "short bills", "overnight rates", "sterling cash", "liquidity"],
    "bonds": ["government bonds", "company bonds", "green bonds", "inflation-linked", "long maturities"],
    "mixed": ["balanced", "defensive", "target date", "income", "multi-asset"],
    "world shares": ["global leaders", "dividends", "low volatility", "quality", "small companies"],
    "themes": ["clean energy", "robotics", "water", "health", "semiconductors"],
    "high risk": ["crypto basket", "leveraged index", "frontier markets", "raw materials", "venture"],
}
data = make_log(
    kinds, 800, 180, n_interactions=9000, templates=["{0} {1} fund"], topic_concentration=0.4, random_state=0
)
rng = np.random.default_rng(0)
typical = dict(zip(kinds, (1, 2, 3, 5, 6, 7), strict=True))
funds = data.item_frame.assign(
    risk=lambda table: (table["topic"].map(typical) + rng.integers(-1, 2, 180)).clip(1, 7),
    low_costs=rng.gamma(4, 0.2, 180) < 1,
)

# %%
# One fit for all clients. The rules are set afterwards, a profile each: the risk classes, low costs, and at most five
# funds of a kind.
ridge = RidgeRecommender(catalog=ItemCatalog(funds, ids="item_id"), content_weight=0)
recommender = RulesRecommender(ridge).fit(data.interactions)
limits = {"cautious": 2, "balanced": 4, "growth": 6}
profile = np.array(list(limits))[rng.integers(0, 3, 800)]
lists = {"no rule": recommender.predict(data.interactions)}
for name, limit in limits.items():
    where = {"risk": list(range(1, limit + 1)), "low_costs": True}
    recommender.set_rules(where=where, category="topic", max_per_category=5)
    lists[name] = recommender.predict(data.interactions[profile == name])

# %%
# The contents of the lists. No list exceeds the limit, and coverage is the share of all funds that are shown to
# somebody.
risks = {name: funds["risk"].to_numpy()[found] for name, found in lists.items()}
table = pd.DataFrame(
    {
        "highest risk": {name: values.max() for name, values in risks.items()},
        "mean risk": {name: values.mean() for name, values in risks.items()},
        "coverage": {name: catalog_coverage(found, n_items=180) for name, found in lists.items()},
    }
)
print(table.round(2).to_string())

# %%
# Without a rule, every profile would be shown funds of the highest classes. With the rules, the bars end at the limit.
figure, ax = plt.subplots(figsize=(8, 3.6))
colours = plt.cm.RdYlBu_r(np.linspace(0.05, 0.95, 7))
left = np.zeros(len(risks))
for risk in range(1, 8):
    share = np.array([(values == risk).mean() for values in risks.values()])
    ax.barh(list(risks), share, left=left, color=colours[risk - 1], edgecolor="white", label=str(risk))
    left += share
ax.invert_yaxis()
ax.grid(False)
ax.xaxis.set_major_formatter("{x:.0%}")
ax.set(xlim=(0, 1), title="Risk classes of the recommended funds")
ax.legend(title="risk class", loc="center left", bbox_to_anchor=(1, 0.5), reverse=True)
plt.show()
