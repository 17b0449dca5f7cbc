"""Two rankings in one list: whose items are taken tells which one users prefer."""

from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, validate_params

PADDING = -1


class InterleavingResult(NamedTuple):
    """Which of two interleaved rankings users preferred.

    Parameters
    ----------
    wins_a : int
        Users who took more of the items that a contributed.
    wins_b : int
        Users who took more of the items that b contributed.
    ties : int
        Users who took equally many of both, or none.
    share_b : float
        ``wins_b / (wins_a + wins_b)``, between 0 and 1; nan without a decided user.
    low : float
        Lower end of the interval of `share_b` (Clopper-Pearson).
    high : float
        Its upper end.
    p_value : float
        Probability of a share at least as far from 1/2 if users had no preference (two-sided sign test).

    Examples
    --------
    >>> from skgnnrec.online import interleaving_test
    >>> result = interleaving_test([[0, 1], [1, 0], [0, 1]], [[0, 1], [1, 0], [0, 0]])
    >>> result.wins_b, result.ties
    (2, 1)
    """

    wins_a: int
    wins_b: int
    ties: int
    share_b: float
    low: float
    high: float
    p_value: float


@validate_params(
    {
        "ranking_a": ["array-like"],
        "ranking_b": ["array-like"],
        "n": [Interval(Integral, 1, None, closed="left"), None],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def interleave(
    ranking_a: ArrayLike, ranking_b: ArrayLike, n: int | None = None, *, random_state: Any = None
) -> tuple[NDArray[Any], NDArray[np.int8]]:
    """Merge two rankings for each user by team draft.

    In each round a coin decides which ranking goes first; each then adds its best item that is not in the list yet, and
    the item counts for it [1]_. A ranking without items left passes.

    Two rankings are the scope. Of more, let `assign_buckets` give each user a pair, and test each pair on its users.

    Parameters
    ----------
    ranking_a : array-like of shape (n_users, n_a)
        Items for each user, best first, as `recommend` returns them: ids or positions, padded with -1 or None.
    ranking_b : array-like of shape (n_users, n_b)
        The same from another recommender.
    n : int, default=None
        Length of the merged lists; None takes that of the longer ranking.
    random_state : int, RandomState instance or None, default=None
        Seed of the coins. None tosses new ones on every call, as serving one user at a time needs it: one seed for all
        of them would let the same ranking go first each time.

    Returns
    -------
    items : ndarray of shape (n_users, n)
        The merged lists; padded as the rankings are, where both are exhausted.
    teams : ndarray of int8 of shape (n_users, n)
        Who contributed the item: 0 for a, 1 for b, -1 for padding. To be logged with the list.

    Raises
    ------
    ValueError
        If the rankings are not tables with the same number of rows, or hold an item twice in a row.

    See Also
    --------
    interleaving_test : What users' choices say.

    References
    ----------
    .. [1] F. Radlinski, M. Kurup and T. Joachims, "How does clickthrough data reflect retrieval quality?",
       CIKM 2008.

    Examples
    --------
    >>> from skgnnrec.online import interleave
    >>> items, teams = interleave([["mug", "pot", "cup"]], [["pot", "tray", "mug"]], random_state=0)
    >>> items
    array([['mug', 'pot', 'tray']], dtype=object)
    >>> teams
    array([[0, 1, 1]], dtype=int8)
    """
    rankings, ids = _encode(_as_table(ranking_a, "ranking_a"), _as_table(ranking_b, "ranking_b"))
    n_users = len(rankings[0])
    n = n or max(ranking.shape[1] for ranking in rankings)
    merged = np.full((n_users, n), PADDING, dtype=np.int64)
    teams = np.full((n_users, n), PADDING, dtype=np.int8)
    coins = check_random_state(random_state).randint(2, size=(n_users, -(-n // 2)))
    n_picked = np.zeros((n_users, 2), dtype=np.int64)
    for place in range(n):
        behind = np.sign(n_picked[:, 0] - n_picked[:, 1])  # 1 where b has fewer, 0 where a round begins
        turn = np.where(behind == 0, coins[:, place // 2], (behind > 0).astype(np.int64))
        picks = np.stack([_best_left(ranking, merged[:, :place]) for ranking in rankings])  # (2, n_users)
        rows = np.arange(n_users)
        turn = np.where(picks[turn, rows] == PADDING, 1 - turn, turn)
        merged[:, place] = picks[turn, rows]
        is_item = merged[:, place] != PADDING
        teams[is_item, place] = turn[is_item]
        n_picked[rows[is_item], turn[is_item]] += 1
    return ids[merged], teams


@validate_params({"teams": ["array-like"], "clicks": ["array-like"]}, prefer_skip_nested_validation=True)
def interleaving_credit(teams: ArrayLike, clicks: ArrayLike) -> NDArray[np.float64]:
    """Credit each ranking with what users did with the items it contributed.

    Parameters
    ----------
    teams : array-like of int of shape (n_lists, n)
        Who contributed each item, from `interleave`: 0, 1, or -1 for padding.
    clicks : array-like of shape (n_lists, n)
        What the user did with the item, >= 0: 1 for a click, or what it was worth.

    Returns
    -------
    credit : ndarray of shape (n_lists, 2)
        The sum of `clicks` over the items of a, and of b.

    Raises
    ------
    ValueError
        If the two are not tables of one shape, or hold other values.

    Examples
    --------
    >>> from skgnnrec.online import interleaving_credit
    >>> interleaving_credit([[0, 1, 1]], [[0, 1, 1]])
    array([[0., 2.]])
    """
    team, click = np.asarray(teams), np.asarray(clicks, dtype=np.float64)
    if team.ndim != 2 or team.shape != click.shape:
        raise ValueError(f"teams and clicks must be tables of one shape; got {team.shape} and {click.shape}.")
    if not np.isin(team, (PADDING, 0, 1)).all():
        raise ValueError(f"teams must hold 0, 1 or {PADDING}; got {np.setdiff1d(team, (PADDING, 0, 1))[:5].tolist()}.")
    if not (np.isfinite(click) & (click >= 0)).all():
        raise ValueError("clicks must be finite and >= 0; got other values.")
    return np.stack([(click * (team == side)).sum(axis=1) for side in (0, 1)], axis=1)


@validate_params(
    {
        "teams": ["array-like"],
        "clicks": ["array-like"],
        "users": ["array-like", None],
        "confidence_level": [Interval(Real, 0, 1, closed="neither")],
    },
    prefer_skip_nested_validation=True,
)
def interleaving_test(
    teams: ArrayLike, clicks: ArrayLike, *, users: ArrayLike | None = None, confidence_level: float = 0.95
) -> InterleavingResult:
    """Test which of two interleaved rankings users prefer.

    A user prefers the ranking whose items collected more credit. Ties say nothing; among the other users the wins of b
    are binomial with probability 1/2 if neither is preferred, which makes it a sign test [1]_. Interleaving finds small
    differences with far fewer users than two groups do, as every user is her own control.

    Parameters
    ----------
    teams : array-like of int of shape (n_lists, n)
        Who contributed each item, from `interleave`.
    clicks : array-like of shape (n_lists, n)
        What the user did with the item, >= 0.
    users : array-like of shape (n_lists,), default=None
        The user of each list. A user's credit is summed over her lists, as they are not independent. None: every list
        is another user's.
    confidence_level : float, default=0.95
        Of the interval of the share, in (0, 1).

    Returns
    -------
    result : InterleavingResult
        Wins, ties, the share of the wins that are b's with its interval, and the p-value.

    Raises
    ------
    ValueError
        If `teams` and `clicks` are not tables of one shape, or `users` has another length.

    References
    ----------
    .. [1] O. Chapelle, T. Joachims, F. Radlinski and Y. Yue, "Large-scale validation and analysis of interleaved
       search evaluation", ACM TOIS 30(1), 2012.

    Examples
    --------
    >>> from skgnnrec.online import interleaving_test
    >>> teams = [[0, 1]] * 10
    >>> clicks = [[0, 1]] * 9 + [[1, 0]]
    >>> result = interleaving_test(teams, clicks)
    >>> result.share_b, round(result.p_value, 3)
    (0.9, 0.021)
    """
    credit = interleaving_credit(teams, clicks)
    if users is not None:
        codes, unique = pd.factorize(np.asarray(users))
        if len(codes) != len(credit) or (codes < 0).any():
            raise ValueError(f"users must name the user of each of {len(credit)} lists; got {len(codes)} ids.")
        credit = np.stack([np.bincount(codes, column, minlength=len(unique)) for column in credit.T], axis=1)
    wins_a, wins_b = (int((credit[:, side] > credit[:, 1 - side]).sum()) for side in (0, 1))
    decided = wins_a + wins_b
    ties = len(credit) - decided
    if not decided:
        return InterleavingResult(0, 0, ties, float("nan"), 0.0, 1.0, 1.0)
    test = binomtest(wins_b, decided)
    interval = test.proportion_ci(confidence_level)
    return InterleavingResult(
        wins_a, wins_b, ties, wins_b / decided, float(interval.low), float(interval.high), float(test.pvalue)
    )


def _as_table(ranking: ArrayLike, name: str) -> NDArray[Any]:
    table = np.asarray(ranking)
    if table.dtype.kind == "U":
        table = table.astype(object)
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(f"{name} must have shape (n_users, n), n >= 1; got {table.shape}.")
    return table


def _encode(a: NDArray[Any], b: NDArray[Any]) -> tuple[list[NDArray[np.int64]], NDArray[Any]]:
    """Return both rankings as positions in one array of ids, which ends in the padding."""
    if len(a) != len(b):
        raise ValueError(f"ranking_a and ranking_b must have one row per user; got {len(a)} and {len(b)} rows.")
    are_integers = a.dtype.kind in "iu" and b.dtype.kind in "iu"
    flat = np.concatenate([a.ravel(), b.ravel()])
    codes, ids = pd.factorize(flat)
    if are_integers:
        codes = np.where(flat == PADDING, PADDING, codes)
    rankings = [part.reshape(table.shape) for part, table in zip(np.split(codes, [a.size]), (a, b), strict=True)]
    for name, ranking in zip(("ranking_a", "ranking_b"), rankings, strict=True):
        ordered = np.sort(ranking, axis=1)
        twice = (ordered[:, 1:] == ordered[:, :-1]) & (ordered[:, 1:] != PADDING)
        if twice.any():
            row = int(np.argmax(twice.any(axis=1)))
            item = ids[ordered[row, 1:][twice[row]]].tolist()[0]
            raise ValueError(
                f"{name} must name an item at most once per row; got {item!r} more than once in row {row}."
            )
    return rankings, np.append(ids, np.array([PADDING if are_integers else None], dtype=ids.dtype))


def _best_left(ranking: NDArray[np.int64], taken: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each user's first item that is not taken, -1 where there is none."""
    is_left = ranking != PADDING
    for place in range(taken.shape[1]):
        is_left &= ranking != taken[:, place, None]
    best = ranking[np.arange(len(ranking)), np.argmax(is_left, axis=1)]
    return np.where(is_left.any(axis=1), best, PADDING)
