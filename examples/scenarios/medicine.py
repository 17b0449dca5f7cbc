"""
Medical literature: few alerts, but good ones
=============================================

Researchers want to hear about new papers close to their library, and not about others. An alert service should rather
be silent than wrong: this page chooses the score above which a new paper is worth an alert.

.. warning::
   Such a recommender ranks papers for *reading*. It does not weigh evidence, and its order says nothing about the
   effect of a treatment. Do not use it to diagnose or to treat. The papers below are invented.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import precision_recall_curve
from sklearn.pipeline import make_pipeline

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.datasets import make_log
from skgnnrec.inspection import explain, reasons

plt.style.use("skgnnrec.inspection.style")

# %%
# The libraries of 400 researchers, filled over a year, in which papers appear all the time.
fields = {
    "cardiology": ["atrial fibrillation", "heart failure", "statin therapy", "hypertension", "stent trials", "stroke"],
    "oncology": ["breast cancer", "immunotherapy", "tumour markers", "radiation dose", "lymphoma", "screening"],
    "neurology": ["migraine", "multiple sclerosis", "deep brain stimulation", "dementia", "epilepsy", "sleep"],
    "infection": ["antibiotic resistance", "influenza vaccines", "sepsis", "malaria", "hepatitis", "wound care"],
    "diabetes": ["insulin pumps", "metformin", "glucose sensors", "foot ulcers", "gestational diabetes", "obesity"],
}
titles = ["{0} in patients with {1}", "{0} and {1}: a cohort study", "a review of {0} and {1}", "{0} after {1}"]
data = make_log(
    fields,
    400,
    400,
    n_interactions=10_000,
    templates=titles,
    new_item_share=0.8,
    topic_concentration=0.3,
    random_state=0,
)
papers = data.item_frame
is_new = (papers["published"] >= "2024-11-01").to_numpy()
X = sparse.csr_array(data.interactions)
past, later = sparse.csr_array(X * ~is_new), sparse.csr_array(X[:, is_new])
print(f"{(~is_new).sum()} known papers, {is_new.sum()} new ones")

# %%
# New papers are candidates of their own: a catalog of titles that nobody has read.
encoder = make_pipeline(TfidfVectorizer(stop_words="english"), TruncatedSVD(40, random_state=0))
catalog = ItemCatalog(papers.loc[~is_new, ["item_id", "text"]], ids="item_id")
recommender = RidgeRecommender(catalog=catalog, item_encoder=encoder).fit(past[:, ~is_new])
arrivals = ItemCatalog(papers.loc[is_new, ["item_id", "text"]], ids="item_id")
items, scores = recommender.recommend(past[:, ~is_new], is_new.sum(), candidates=arrivals)
wanted = np.take_along_axis(later.toarray(), arrivals.positions(items), axis=1) > 0

# %%
# The papers for one researcher, and the reasons for the known ones.
names = papers.set_index("item_id")["text"]
why = reasons(explain(recommender, past[[7]][:, ~is_new]), names, n_reasons=1)
print("Known papers for researcher 7:")
for (_, item), reason in list(why.items())[:2]:
    print(f"  {names[item]}\n    {reason}")
print("Best new papers:")
for item, score in zip(items[7, :3], scores[7, :3], strict=True):
    print(f"  {score:.2f}  {names[item]}")

# %%
# Alerts of all researchers, by the score that an alert needs. If half of the new papers raise an alert, one alert in
# fifty leads to a paper in the library; with the top per cent of the scores, it is one in four. A service chooses its
# point on this curve.
precision, recall, threshold = precision_recall_curve(wanted.ravel(), scores.ravel())
for least in np.quantile(scores, [0.5, 0.9, 0.99]):
    is_alert = scores >= least
    precision_of_top = wanted[is_alert].mean()
    n_each = is_alert.sum() / len(scores)
    print(f"score of {least:.2f} or more: {n_each:4.1f} alerts for each, precision {precision_of_top:.2f}")
n_alerts = np.array([(scores >= least).sum() for least in threshold[::40]]) / len(scores)
figure, ax = plt.subplots()
ax.plot(n_alerts, precision[:-1][::40], label="by score")
ax.axhline(wanted.mean(), color="#999999", ls="--", label="new papers at random")
ax.set(xlabel="alerts for each researcher", ylabel="share that was added to a library later", xscale="log", ylim=0)
ax.xaxis.set_major_formatter("{x:g}")
ax.set_title("The fewer alerts, the better")
ax.legend()
plt.show()
