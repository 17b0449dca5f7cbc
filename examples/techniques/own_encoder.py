"""
An item encoder of your own
===========================

Any transformer of scikit-learn can be the ``item_encoder``: it receives the table of the catalog and returns a vector
for each item. This page writes one that reads titles with typing errors, by the pieces of their words, and adds the
price.
"""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.utils.validation import check_is_fitted

from skgnnrec import ItemCatalog, RidgeRecommender
from skgnnrec.datasets import make_interactions
from skgnnrec.metrics import recall_at_k
from skgnnrec.model_selection import split_interactions

plt.style.use("skgnnrec.inspection.style")


# %%
# The transformer has the usual parts: parameters in ``__init__``, what it learns in ``fit``, vectors in ``transform``.
# A query of a user arrives as a table with the sentence as its text, and with missing numbers.
class SpellingTolerantEncoder(TransformerMixin, BaseEstimator):
    """Encode titles by the pieces of their words, and prices by their logarithm.

    Parameters
    ----------
    n_components : int, default=64
        The number of dimensions of the title.
    price_weight : float, default=0.2
        The length of the price, relative to that of the title.
    """

    def __init__(self, n_components: int = 64, price_weight: float = 0.2) -> None:
        self.n_components = n_components
        self.price_weight = price_weight

    def fit(self, table: pd.DataFrame, y: object = None) -> "SpellingTolerantEncoder":
        """Learn the pieces of the words, and the scale of the prices."""
        pieces = TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 4), sublinear_tf=True)
        self.titles_ = make_pipeline(pieces, TruncatedSVD(self.n_components, random_state=0)).fit(table["text"])
        logarithms = np.log(table["price"])
        self.mean_, self.scale_ = logarithms.mean(), logarithms.std()
        return self

    def transform(self, table: pd.DataFrame) -> np.ndarray:
        """Return a vector for each row."""
        check_is_fitted(self)
        titles = self.titles_.transform(table["text"])
        price = ((np.log(table["price"]) - self.mean_) / self.scale_).fillna(0).to_numpy()
        return np.column_stack([titles, self.price_weight * price])


# %%
# A shop whose titles were typed in a hurry: in each word, a letter is wrong with the given probability.
data = make_interactions(800, 400, n_interactions=16_000, topic_concentration=0.15, random_state=0)


def hurried(title: str, probability: float, rng: np.random.Generator) -> str:
    """Return a title with typing errors."""
    words = title.lower().split()
    for place, word in enumerate(words):
        if rng.random() < probability:
            wrong = rng.integers(len(word))
            words[place] = word[:wrong] + rng.choice(list("abcdefghijklmnopqrstuvwxyz")) + word[wrong + 1 :]
    return " ".join(words)


# %%
# New items are found by their titles and prices alone, so that they measure the value of an encoder.
X, y = split_interactions(data.interactions, hold_out="cold_items", test_size=0.2, random_state=0)
cold = np.flatnonzero(y.sum(axis=0))
prices = np.random.default_rng(1).lognormal(2, 0.6, 400)
words = make_pipeline(TfidfVectorizer(), TruncatedSVD(64, random_state=0))
probabilities = [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
recalls = {"whole words": [], "pieces of words": []}
for probability in probabilities:
    rng = np.random.default_rng(0)
    texts = [hurried(title, probability, rng) for title in data.item_frame["text"]]
    table = pd.DataFrame({"text": texts, "price": prices})
    encoders = {
        "whole words": RidgeRecommender(catalog=ItemCatalog(table["text"]), item_encoder=words),
        "pieces of words": RidgeRecommender(catalog=ItemCatalog(table), item_encoder=SpellingTolerantEncoder()),
    }
    for name, recommender in encoders.items():
        found, _ = recommender.fit(X).recommend(X, 10, candidates=cold)
        recalls[name].append(recall_at_k(y, found))
for name, values in recalls.items():
    print(
        f"{name:16} recall@10 of new items: {values[0]:.2f} without errors, {values[-1]:.2f} with an error in each word"
    )
print("For example:", texts[0])

# %%
# The parameters of the encoder can be searched, as ``item_encoder__price_weight``. With an error in each word, whole
# words are hardly better than chance, while pieces lose a fifth: most of them are still right.
figure, ax = plt.subplots()
ax.plot(probabilities, recalls["pieces of words"], "o-", label="pieces of words")
ax.plot(probabilities, recalls["whole words"], "s--", label="whole words")
ax.axhline(10 / len(cold), color="#999999", lw=1.2, ls=":", label="random order")
ax.set(ylim=0, xlabel="share of words with a typing error", ylabel="recall@10 of new items")
ax.set_title("Titles with typing errors")
ax.xaxis.set_major_formatter("{x:.0%}")
ax.legend(loc="upper right")
plt.show()
