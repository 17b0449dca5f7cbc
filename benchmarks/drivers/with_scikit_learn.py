"""Drive scikit-learn: `TruncatedSVD`, with the reconstructed history as scores."""

from typing import Any

import numpy as np
from answers import Data, Driver, answer, best, in_blocks
from scipy import sparse
from sklearn.decomposition import TruncatedSVD  # *


class ScikitLearn(Driver):
    """`TruncatedSVD` is a transformer, so that the user writes the ranking."""

    package = "scikit-learn"

    def fit(self, data: Data, **parameters: Any) -> None:
        self.X = data.X
        self.model = TruncatedSVD(random_state=0, **parameters).fit(data.X)  # *

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        return self.lists_of_rows(self.X[users], n)

    def lists_of_rows(self, rows: sparse.csr_matrix, n: int) -> np.ndarray:
        components = self.model.components_

        def rank(block: slice) -> np.ndarray:
            scores = self.model.transform(rows[block]) @ components  # *
            scores[rows[block].nonzero()] = -np.inf  # *
            return best(scores, rows[block], n)  # *

        return in_blocks(rows.shape[0], rank)


answer(ScikitLearn())
