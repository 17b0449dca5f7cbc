"""
Following a training
====================

A training is a sequence of epochs, and a search is a sequence of fits. Callbacks of scikit-learn see both. This page
records the curves of two step sizes with a callback of its own, and names the callbacks that send the same to
TensorBoard, MLflow and Weights & Biases.
"""

# %%
# A training in epochs
# --------------------
#
# A `GNNRecommender` holds out a tenth of the interactions, and measures NDCG on them after each epoch.

import matplotlib.pyplot as plt
import numpy as np

from skgnnrec import GNNRecommender
from skgnnrec.datasets import make_interactions

plt.style.use("skgnnrec.inspection.style")
X = make_interactions(600, 200, n_interactions=12_000, random_state=0).interactions
recommender = GNNRecommender(embedding_dim=32, max_iter=25, n_iter_no_change=25, device="cpu", random_state=0)

# %%
# A callback
# ----------
#
# A callback has four methods. After each epoch it receives the recommender as if the training had ended there, with
# the losses and the validation scores so far. It can compute further values: here the share of the first direction in
# the squared lengths of the item embeddings.


class Curves:
    """Keep the curves of each fit."""

    def __init__(self):
        self.fits = []

    def setup(self, estimator, context):
        self.fits.append({"step size": estimator.learning_rate_init, "largest": []})

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context, *, fitted_estimator=None):
        if fitted_estimator is not None:  # the end of an epoch
            values = np.linalg.svd(fitted_estimator.item_embedding_, compute_uv=False)
            self.fits[-1]["loss"] = fitted_estimator.loss_curve_
            self.fits[-1]["validation NDCG"] = fitted_estimator.validation_scores_
            self.fits[-1]["largest"].append(values[0] ** 2 / np.sum(values**2))

    def teardown(self, estimator, context):
        pass


curves = Curves()
recommender.set_callbacks(curves)
for step_size in (0.002, 0.02):
    recommender.set_params(learning_rate_init=step_size).fit(X)

# %%
# The curves
# ----------
#
# The larger step size has the lower loss in every epoch. Its validation score first falls, while the first direction
# nearly doubles its share, and then changes more from epoch to epoch than the two trainings differ: the choice of the
# best epoch, which is marked, is in part a choice of noise. A curve shows this, a single final score does not.

names = {"loss": "loss", "validation NDCG": "NDCG on held-out interactions", "largest": "share of the first direction"}
figure, panels = plt.subplots(1, 3, figsize=(11, 3.4))
for fit in curves.fits:
    for panel, (name, label) in zip(panels, names.items(), strict=True):
        epochs = np.arange(1, len(fit[name]) + 1)
        (line,) = panel.plot(epochs, fit[name], label=f"step size {fit['step size']:g}")
        panel.set(xlabel="epoch", ylabel=label)
        if name == "validation NDCG":
            best = int(np.argmax(fit[name]))
            panel.plot(epochs[best], fit[name][best], "o", color=line.get_color())
panels[0].legend()
plt.show()

# %%
# TensorBoard, MLflow, Weights & Biases
# -------------------------------------
#
# `skgnnrec.tracking` has callbacks that send these curves, the parameters, the scores of the candidates of a search and
# the saved recommender to a tracking package. Each needs the extra of its name, such as
# ``pip install "skgnnrec[tensorboard]"``::
#
#     from skgnnrec.tracking import MLflowCallback, TensorBoardCallback, WandbCallback
#
#     recommender.set_callbacks(TensorBoardCallback("runs")).fit(X)
#     search.set_callbacks(MLflowCallback("shop", "sqlite:///mlflow.db")).fit(X, y)
#     search.set_callbacks(WandbCallback("shop", mode="offline")).fit(X, y)
#
# Several callbacks can be set together, with the progress bar of scikit-learn too. The recommender keeps the parameters
# of its best epoch, whatever the callbacks do.

for fit in curves.fits:
    best = int(np.argmax(fit["validation NDCG"]))
    print(f"step size {fit['step size']:g}: NDCG {fit['validation NDCG'][best]:.3f} after {best + 1} epochs")
