"""Drive LightFM. The features of an item are the item itself and the words of its text."""

from typing import Any

import numpy as np
from answers import Data, Driver, answer, best, in_blocks
from lightfm import LightFM  # *
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer  # *


class LightFMWithWords(Driver):
    """The hybrid model. Without texts, the only feature of an item is the item itself."""

    package = "lightfm-next"

    def fit(self, data: Data, epochs: int, **parameters: Any) -> None:
        self.X = data.X
        features = [sparse.identity(data.X.shape[1], dtype=np.float32, format="csr")]
        if data.texts is not None:
            words = TfidfVectorizer(dtype=np.float32).fit_transform(data.texts)  # *
            features.append(words)
            # For an item without interactions, only the words are learned.
            self.words = sparse.hstack([sparse.csr_matrix(features[0].shape, dtype=np.float32), words], "csr")
        self.features = sparse.hstack(features, "csr")  # *
        self.model = LightFM(random_state=0, **parameters)  # *
        interactions = data.X.tocoo()
        self.model.fit(interactions, item_features=self.features, epochs=epochs, num_threads=data.n_threads)  # *

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        return self._rank(users, self.features, n, self.X)

    def lists_among(self, users: np.ndarray, items: np.ndarray, n: int) -> np.ndarray:
        found = self._rank(users, self.words[items], n, self.X[:, items])
        return np.where(found < 0, -1, items[found])

    def _rank(self, users: np.ndarray, features: sparse.csr_matrix, n: int, seen: sparse.csr_matrix) -> np.ndarray:
        item_biases, item_vectors = self.model.get_item_representations(features)  # *
        _, user_vectors = self.model.get_user_representations()  # *

        def rank(rows: slice) -> np.ndarray:
            scores = user_vectors[users[rows]] @ item_vectors.T + item_biases  # *
            return best(scores, seen[users[rows]], n)  # *

        return in_blocks(len(users), rank)

    def save(self, path: Any) -> None:
        model, self.model = self.model, (self.model, self.features)
        super().save(path)
        self.model = model


answer(LightFMWithWords())
