"""
Explanations: why this product?
===============================

The score of a closed form is a sum over the history. So an explanation is not a story that is told afterwards: it
lists the terms of the sum. They add up to the score, with a query as well.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.datasets import load_online_retail
from skgnnrec.inspection import ExplanationDisplay, explain, reasons

plt.style.use("skgnnrec.inspection.style")

# %%
# A shop for gifts, and a ridge that reads the descriptions.
data = load_online_retail()
is_sold = np.asarray((data.interactions > 0).sum(axis=0)).ravel() >= 60
X = data.interactions[:, is_sold]
names = data.item_frame["description"][is_sold].str.lower().reset_index(drop=True)
encoder = make_pipeline(TfidfVectorizer(), TruncatedSVD(64, random_state=0))
ridge = RidgeRecommender(catalog=ItemCatalog(names), item_encoder=encoder).fit(X)

# %%
# One sentence for each recommendation, from the largest contributions.
customer = np.flatnonzero(np.diff(X.indptr) == 12)[3]
explanation = explain(ridge, X[[customer]])
for (_, item), sentence in list(reasons(explanation, names).items())[:4]:
    print(f"{names[item]}\n    {sentence}")

# %%
# The sum of the terms is the score.
items, scores = ridge.recommend(X[[customer]])
sums = explanation.groupby("item")["contribution"].sum()
print("largest difference between sums and scores:", f"{np.abs(sums[items[0]].to_numpy() - scores[0]).max():.0e}")

# %%
# What if a purchase had never happened? The counterfactual method removes each item of the history in turn.
without = explain(ridge, X[[customer]], items[:, :1], method="counterfactual")
worst = without.loc[without["contribution"].idxmax()]
print(f"Without {names[worst['source']]}, the score of {names[items[0, 0]]} falls by {worst['contribution']:.2f}.")

# %%
# The terms of the first recommendation, from the largest on. The dotted line is the score. Most of it comes from two
# teacups: through customers who bought both, and through similar descriptions.
item = items[0, 0]
display = ExplanationDisplay.from_estimator(ridge, X[[customer]], item=item, names=names)
display.ax_.grid(False)
plt.show()
