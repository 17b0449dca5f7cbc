"""Candidates from several recommenders, ranked by a classifier or regressor."""

from __future__ import annotations

import inspect
import warnings
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, ClassVar

import numpy as np
import pandas as pd
from scipy import sparse
from sklearn.base import clone

from skgnnrec._constraints import HasMethods, Interval
from skgnnrec.compose._composition import BaseComposition
from skgnnrec.compose._hide import hide_last_step
from skgnnrec.compose._lists import squash
from skgnnrec.compose._pairs import Features, Pairs, PairsOfCandidates, number_columns
from skgnnrec.compose._ranks import without_contributions
from skgnnrec.graph import count_users
from skgnnrec.interactions import labelled_as, row_of_each
from skgnnrec.ranking import Scorer
from skgnnrec.recommenders import BaseRecommender

__all__ = ["TwoStageRecommender"]

BLOCK_ROWS = 256  # users whose pairs are made at once


@dataclass(frozen=True, eq=False)
class TwoStage(Scorer):
    """The scores of a ranker for the candidates of each history; all other items are below them."""

    pairs: PairsOfCandidates
    ranker: Any  # None: the mean of the standardised scores
    columns: np.ndarray | None  # of the items to score; None for all

    @property
    def n_columns(self) -> int:  # type: ignore[override]
        return len(self.pairs.item_counts) if self.columns is None else len(self.columns)

    def scores(self, X: sparse.csr_array) -> np.ndarray:
        if not X.shape[0]:
            return np.empty((0, self.n_columns), dtype=np.float32)
        found = [self._scores(X[start : start + BLOCK_ROWS]) for start in range(0, X.shape[0], BLOCK_ROWS)]
        return np.concatenate(found)

    def _scores(self, X: sparse.csr_array) -> np.ndarray:
        pairs = self.pairs.of(X)
        scores = pairs.fused
        if self.ranker is not None:
            ranked = predict(self.ranker, pairs.features) if len(pairs.rows) else np.zeros(0)
            lowest = np.full(len(scores), np.inf)
            np.minimum.at(lowest, pairs.rows, ranked)
            lowest[lowest == np.inf] = 0.0  # users without candidates
            scores = (lowest[:, None] - squash(scores)).astype(np.float32)
            scores[pairs.rows, pairs.columns] = ranked
        return scores if self.columns is None else scores[:, self.columns]

    def take(self, columns: np.ndarray) -> TwoStage:
        return replace(self, columns=columns if self.columns is None else self.columns[columns])

    def contributions(self, X: sparse.csr_array, columns: np.ndarray) -> sparse.csr_array:
        return sparse.csr_array((np.zeros(X.nnz), X.indices, X.indptr), shape=X.shape)

    def baseline(self, X: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
        return without_contributions(self, X, columns)


def predict(ranker: Any, features: Any) -> np.ndarray:
    """Return the score of each row: the probability of class 1, a decision function, or a prediction."""
    if hasattr(ranker, "predict_proba"):
        return np.asarray(ranker.predict_proba(features))[:, 1]
    scores = ranker.decision_function if hasattr(ranker, "decision_function") else ranker.predict
    return np.asarray(scores(features), dtype=np.float64).ravel()


def fit_ranker(ranker: Any, features: Any, y: np.ndarray, rows: np.ndarray) -> Any:
    """Fit a clone of a ranker; rankers that learn from lists receive the user of each row, or the number of rows."""
    parameters = inspect.signature(ranker.fit).parameters
    if "qid" in parameters:
        return clone(ranker).fit(features, y, qid=rows)
    if "group" in parameters:
        return clone(ranker).fit(features, y, group=np.unique(rows, return_counts=True)[1])
    return clone(ranker).fit(features, y)


def stack(tables: list[Any]) -> Any:
    """Return the rows of several tables in one."""
    if hasattr(tables[0], "iloc"):
        return pd.concat(tables, ignore_index=True)
    return sparse.vstack(tables, format="csr") if sparse.issparse(tables[0]) else np.concatenate(tables)


class TwoStageRecommender(BaseComposition):
    r"""Take candidates from several recommenders, and rank them by a classifier or regressor with further features.

    The fit hides interactions of each user: those with the largest value of the row, which are the latest ones, or a
    random fifth where all values of X are equal. The recommenders are fitted to the others. Their candidates for a
    user, with the hidden interactions as the class 1 and all other candidates as the class 0, are the samples by which
    the ranker is trained. The ranker therefore sees scores of interactions that the recommenders did not learn. Then
    the recommenders are fitted again, to all interactions. A system of this kind is described in [1]_.

    Parameters
    ----------
    candidates : list of (str, BaseRecommender)
        The recommenders of the first stage, with their names. Clones of them are fitted. Their parameters can be set as
        ``<name>__<parameter>``.
    final_estimator : classifier, regressor or ranker
        The ranker: any classifier or regressor of scikit-learn, such as `HistGradientBoostingClassifier`, or a
        ``LGBMRanker`` or ``XGBRanker``. The score of an item is the probability of class 1, the value of
        `decision_function`, or the prediction, whichever exists first. If `fit` has the parameter ``qid`` or ``group``,
        it receives the users of the samples.
    n_candidates : int, default=100
        Candidates of each recommender and user. Items of the history are no candidates.
    features : callable, default=None
        A function of a DataFrame with one row for each candidate of each user (see Notes) that returns a table of
        features with the same rows. None takes all columns but ``user`` and ``item``.
    max_users : int, default=5000
        Users by whom the ranker is trained.
    n_recommendations : int, default=10
        Items per user in `predict` and `score`.

    Attributes
    ----------
    final_estimator_ : object or None
        The fitted ranker. None where no hidden interaction is a candidate.
    recommenders_ : list of BaseRecommender
        The fitted recommenders of the first stage.
    item_embedding_ : ndarray of shape (n_items, embedding_dim), float32
        The embeddings of the items by all recommenders, concatenated.
    item_vectors_ : ndarray of shape (n_items, n_dimensions), float32, or None
        The item vectors of the first recommender that uses them.
    item_ids_ : ndarray of shape (n_items,) or None
        The item ids, where known.
    n_features_in_ : int
        The number of items.
    feature_names_in_ : ndarray of shape (n_items,)
        The names of the columns of X, where all are strings.

    Warns
    -----
    UserWarning
        If no hidden interaction is a candidate. Then the mean of the standardised scores ranks the items.

    See Also
    --------
    BlendedRecommender : Adds up the scores of several recommenders.

    Notes
    -----
    The columns of the frame are

    - ``user``: a number; rows with the same number are the candidates of one user. ``item``: the id of the item, or the
      position;
    - ``<name>_score`` for each recommender: the score minus the mean, over the standard deviation, of the scores of the
      user over all fitted items;
    - ``<name>_rank`` for each recommender: one plus the number of fitted items outside the history with a higher score;
    - ``item_count``: the number of users of the item in the fit;
    - ``history_length``: the number of items in the history;
    - the columns of numbers of the catalog, and ``history_<column>``, the mean of the column over the items in the
      history.

    The catalog is that of the first recommender that has one. Its columns must not depend on the interactions that are
    hidden, such as the time of the last purchase does.

    Items that are no candidates are ranked below, by the mean of the standardised scores. `recommend` ranks fitted
    items; new items have no ranks. The scores of a ranker are no sums over the items of a history: in explanations they
    are a baseline, and those with ``method="counterfactual"`` show what each item of the history changes. `partial_fit`
    and `forget` keep the ranker.

    Files contain rankers of scikit-learn whose types are trusted, such as linear models; ``load(path, trusted=[...])``
    names the types of others.

    References
    ----------
    .. [1] P. Covington, J. Adams, E. Sargin, "Deep neural networks for YouTube recommendations", RecSys 2016.

    Examples
    --------
    >>> from sklearn.linear_model import LogisticRegression
    >>> from skgnnrec import PopularityRecommender, RidgeRecommender
    >>> from skgnnrec.compose import TwoStageRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> X = make_interactions(200, 50, n_interactions=0.2, random_state=0).interactions
    >>> stages = [("ridge", RidgeRecommender()), ("popular", PopularityRecommender())]
    >>> rec = TwoStageRecommender(stages, LogisticRegression(max_iter=1000), n_candidates=20).fit(X)
    >>> rec.predict(X[:2]).shape
    (2, 10)
    >>> rec.final_estimator_.feature_names_in_.tolist()
    ['ridge_score', 'ridge_rank', 'popular_score', 'popular_rank', 'item_count', 'history_length']
    """

    _list_name = "candidates"

    _parameter_constraints: ClassVar[dict] = {
        "candidates": [list],
        "final_estimator": [HasMethods(["fit", "predict"])],
        "n_candidates": [Interval(Integral, 1, None, closed="left")],
        "features": [callable, None],
        "max_users": [Interval(Integral, 1, None, closed="left")],
        "n_recommendations": BaseRecommender._parameter_constraints["n_recommendations"],
    }

    def __init__(
        self,
        candidates: list[tuple[str, BaseRecommender]],
        final_estimator: Any,
        *,
        n_candidates: int = 100,
        features: Features | None = None,
        max_users: int = 5000,
        n_recommendations: int = 10,
    ) -> None:
        self.candidates = candidates
        self.final_estimator = final_estimator
        self.n_candidates = n_candidates
        self.features = features
        self.max_users = max_users
        self.n_recommendations = n_recommendations

    def _prepare(self, X: Any, checked: sparse.csr_array) -> None:
        self._numbers_ = number_columns(
            self._aligned_catalog(self._vocabulary_, checked.shape[1]), [name for name, _ in self.candidates]
        )
        training, histories, held_out = hide_last_step(checked, self.max_users)
        self.final_estimator_ = None
        if held_out.nnz:
            parts = [clone(part).fit(labelled_as(X, training)) for _, part in self.candidates]
            self.final_estimator_ = self._trained(self._pairs(parts, count_users(training)), histories, held_out)
        if self.final_estimator_ is None:
            warnings.warn(
                "The ranker is not trained, because no hidden interaction is among the candidates: the mean of the "
                f"standardised scores ranks the items. Raise n_candidates={self.n_candidates}, or pass more users.",
                UserWarning,
                stacklevel=4,
            )

    def _pairs(self, parts: list[BaseRecommender], item_counts: np.ndarray) -> PairsOfCandidates:
        ids = next((part._vocabulary_.ids for part in parts if part._vocabulary_ is not None), None)
        return PairsOfCandidates(
            tuple(name for name, _ in self.candidates),
            tuple(part._scorer_ for part in parts),
            int(self.n_candidates),
            ids,
            item_counts,
            self._numbers_,
            self.features,
        )

    def _trained(self, pairs: PairsOfCandidates, histories: sparse.csr_array, held_out: sparse.csr_array) -> Any:
        """Return the ranker, fitted to the candidates of histories; None if none or all of them are held out."""
        parts, rows, y = [], [], []
        for start in range(0, histories.shape[0], BLOCK_ROWS):
            hidden = held_out[start : start + BLOCK_ROWS]
            found: Pairs = pairs.of(histories[start : start + BLOCK_ROWS])
            n_items = histories.shape[1]
            is_hidden = np.isin(found.rows * n_items + found.columns, row_of_each(hidden) * n_items + hidden.indices)
            parts.append(found.features)
            rows.append(found.rows + start)
            y.append(is_hidden.astype(np.int64))
        target = np.concatenate(y)
        if len(np.unique(target)) < 2:
            return None
        return fit_ranker(self.final_estimator, stack(parts), target, np.concatenate(rows))

    def _scorer(self) -> Scorer:
        return TwoStage(self._pairs(self.recommenders_, self._item_counts_), self.final_estimator_, None)
