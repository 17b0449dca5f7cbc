"""Audits: what a fitted recommender reveals about who was in the fit."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any, Literal

import numpy as np
from scipy import sparse
from sklearn.metrics import roc_auc_score, roc_curve
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import StrOptions, validate_params
from sklearn.utils.validation import check_is_fitted

from skgnnrec._constraints import Interval
from skgnnrec.interactions import check_interactions, row_of_each
from skgnnrec.recommenders import BaseRecommender

__all__ = ["MembershipAttack", "membership_attack"]

BLOCK_QUESTIONS = 2048  # histories without one item, scored at once


@dataclass(frozen=True, eq=False)
class MembershipAttack:
    """The result of a membership inference attack.

    Parameters
    ----------
    member_scores : ndarray of shape (n_members,)
        The score of each user who was in the fit.
    other_scores : ndarray of shape (n_others,)
        The score of each user who was not.

    See Also
    --------
    membership_attack : Makes the attack.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.privacy import MembershipAttack
    >>> attack = MembershipAttack(np.array([5.0, 4.0, 3.0, 0.0]), np.array([3.5, 2.0, 1.0, -1.0]))
    >>> attack.auc
    0.75
    >>> attack.true_positive_rate(0.25)
    0.75
    """

    member_scores: np.ndarray
    other_scores: np.ndarray

    @property
    def auc(self) -> float:
        """Return the area under the ROC curve: 0.5 is chance, 1 tells members and others apart."""
        return float(roc_auc_score(*self._labelled()))

    @property
    def auc_std(self) -> float:
        """Return the standard deviation of the area under the ROC curve where members and others do not differ."""
        n, m = len(self.member_scores), len(self.other_scores)
        return float(np.sqrt((n + m + 1) / (12 * n * m)))

    def true_positive_rate(self, false_positive_rate: float = 0.01) -> float:
        """Return the share of the members that the attack finds.

        Parameters
        ----------
        false_positive_rate : float, default=0.01
            The share of the others that may be taken for members, between 0 and 1. By chance, the result is the same
            share of the members.

        Returns
        -------
        rate : float
            The largest share of the members, between 0 and 1.
        """
        is_number = isinstance(false_positive_rate, Real) and not isinstance(false_positive_rate, bool)
        if not is_number or not 0 <= false_positive_rate <= 1:
            raise ValueError(f"false_positive_rate must be a number from 0 to 1, got {false_positive_rate!r}.")
        false, true, _ = roc_curve(*self._labelled(), drop_intermediate=False)
        return float(true[false <= false_positive_rate].max())

    def _labelled(self) -> tuple[np.ndarray, np.ndarray]:
        labels = np.repeat([1, 0], [len(self.member_scores), len(self.other_scores)])
        return labels, np.concatenate([self.member_scores, self.other_scores])


@validate_params(
    {
        "recommender": [BaseRecommender],
        "members": "no_validation",
        "others": "no_validation",
        "sees": [StrOptions({"scores", "lists"})],
        "reference": [BaseRecommender, None],
        "n_questions": [Interval(Integral, 1, None, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def membership_attack(
    recommender: BaseRecommender,
    members: Any,
    others: Any,
    *,
    sees: Literal["scores", "lists"] = "scores",
    reference: BaseRecommender | None = None,
    n_questions: int = 20,
    random_state: Any = 0,
) -> MembershipAttack:
    """Attack a fitted recommender: find out which users were in the fit, from their histories.

    The attacker knows the history of a user, leaves one item out at a time, and looks how well the recommender knows
    it. Items of members are known better, the more so the more the recommender has learned by heart.

    Parameters
    ----------
    recommender : BaseRecommender
        The fitted recommender.
    members : {array-like, sparse matrix, DataFrame} of shape (n_members, n_items)
        The histories of users who were in the fit.
    others : {array-like, sparse matrix, DataFrame} of shape (n_others, n_items)
        The histories of users of the same kind who were not.
    sees : {"scores", "lists"}, default="scores"
        What the attacker sees. With "scores" it is the score of each item, as of somebody who has the weights: the
        place of the left-out score in standard deviations of the scores of the user. With "lists" it is the order of
        the recommendations alone: the logarithm of the rank of the left-out item.
    reference : BaseRecommender, default=None
        A recommender of the attacker, fitted to other users. The attack then compares the two: a common item, which
        every recommender knows, says nothing. None does not compare.
    n_questions : int, default=20
        The largest number of items that are left out for each user, drawn at random.
    random_state : int, RandomState instance or None, default=0
        Draws the items.

    Returns
    -------
    attack : MembershipAttack
        The scores of the users, with `auc`, the area under the ROC curve, and `true_positive_rate`.

    Raises
    ------
    ValueError
        If no user of `members` or of `others` has two items, or their columns differ from those of the fit.

    Notes
    -----
    An attack at chance proves nothing: others may succeed. (ε, δ)-differential privacy bounds all of them: the share of
    the members that any attack finds is at most :math:`e^{\\varepsilon}` times the share of others that it takes for
    members, plus δ. The measure at few false positives follows [1]_.

    References
    ----------
    .. [1] N. Carlini et al., "Membership inference attacks from first principles", IEEE Symposium on Security and
           Privacy 2022.

    Examples
    --------
    >>> from skgnnrec import RidgeRecommender
    >>> from skgnnrec.datasets import make_interactions
    >>> from skgnnrec.privacy import membership_attack
    >>> X = make_interactions(200, 100, n_interactions=0.1, random_state=0).interactions
    >>> rec = RidgeRecommender(alpha=0.1).fit(X[:100])
    >>> membership_attack(rec, X[:100], X[100:]).auc > 0.9
    True
    """
    scores = []
    for name, X in (("members", members), ("others", others)):
        rows = _histories(recommender, X, name)
        n_rows = rows.shape[0]
        rows = rows[np.flatnonzero(np.diff(rows.indptr) > 1)]
        if not rows.shape[0]:
            raise ValueError(f"{name} must have users with two items or more, got {n_rows} users with fewer.")
        found = _knowledge(recommender, rows, sees, n_questions, random_state)
        if reference is not None:
            found = found - _knowledge(reference, _histories(reference, rows, name), sees, n_questions, random_state)
        scores.append(found)
    return MembershipAttack(*scores)


def _histories(recommender: BaseRecommender, X: Any, name: str) -> sparse.csr_array:
    """Return histories with the columns of a fit."""
    check_is_fitted(recommender)
    n_columns = check_interactions(X, input_name=name).shape[1]
    if n_columns != recommender.n_features_in_:
        raise ValueError(f"{name} has {n_columns} columns, the fit has {recommender.n_features_in_} items.")
    return recommender._check_histories(X)


def _knowledge(
    recommender: BaseRecommender, X: sparse.csr_array, sees: str, n_questions: int, random_state: Any
) -> np.ndarray:
    """Return how well a recommender knows the items of each user from the others, (n_users,)."""
    draws = check_random_state(random_state).uniform(size=X.nnz)
    rows = row_of_each(X)
    order = np.lexsort((draws, rows))
    asked = np.sort(order[np.arange(X.nnz) - X.indptr[rows] < n_questions])
    values = np.empty(len(asked))
    for start in range(0, len(asked), BLOCK_QUESTIONS):
        entries = asked[start : start + BLOCK_QUESTIONS]
        histories, places = X[rows[entries]].tolil(), np.arange(len(entries))
        histories[places, X.indices[entries]] = 0
        given = sparse.csr_array(histories)
        given.eliminate_zeros()
        scores = recommender.decision_function(given).astype(np.float64)
        own = scores[places, X.indices[entries]]
        if sees == "scores":
            std = scores.std(axis=1)
            values[start : start + len(entries)] = (own - scores.mean(axis=1)) / np.where(std > 0, std, 1)
            continue
        scores[row_of_each(given), given.indices] = -np.inf
        better, equal = (scores > own[:, None]).sum(axis=1), (scores == own[:, None]).sum(axis=1)
        values[start : start + len(entries)] = -np.log(better + (equal + 1) / 2)
    n_asked = np.bincount(rows[asked], minlength=X.shape[0])
    return np.bincount(rows[asked], weights=values, minlength=X.shape[0]) / n_asked
