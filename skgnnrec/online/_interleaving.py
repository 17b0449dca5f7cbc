"""Team-draft interleaving: compare two rankings within one list."""

from collections.abc import Iterable, Mapping
from itertools import chain
from numbers import Integral, Real
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import validate_params

from skgnnrec._constraints import Interval
from skgnnrec._memory import check_memory
from skgnnrec.interactions import Vocabulary, as_ids
from skgnnrec.online._columns import read_numbers, user_codes

PADDING = -1
BYTES_PER_PLACE = 40  # of a merged list: its ids, positions and teams


class InterleavingResult(NamedTuple):
    """Result of a test between two interleaved rankings.

    Parameters
    ----------
    wins_a : int
        The number of users with more credit for ranking a.
    wins_b : int
        The number of users with more credit for ranking b.
    ties : int
        The number of users with equal credit for both rankings.
    share_b : float
        ``wins_b / (wins_a + wins_b)``, between 0 and 1, or nan if all users are ties.
    low : float
        The lower end of the confidence interval of `share_b` (Clopper-Pearson).
    high : float
        The upper end of the confidence interval.
    p_value : float
        The p-value of the two-sided sign test of equal preference.

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
    """Merge two rankings for each user by team-draft interleaving.

    In each round, a random draw decides which ranking chooses first. Then each ranking adds its best item that is not
    in the list yet, and receives the credit for this item [1]_. A ranking without remaining items adds nothing.

    To compare more than two rankings, assign a pair of rankings to each user with `assign_buckets`, and test each pair
    on its users.

    Parameters
    ----------
    ranking_a : array-like of shape (n_users, n_a)
        The recommended items of each user, best first, as ids or positions. Shorter lists are padded as in the result
        of `recommend`: with None, or with -1. In a ranking that is padded with None, -1 is an item.
    ranking_b : array-like of shape (n_users, n_b)
        The recommended items of another recommender, in the same form.
    n : int, default=None
        The length of the merged lists. If None, it is the length of the longer ranking.
    random_state : int, RandomState instance or None, default=None
        The seed of the draws. Use None to serve one user per call: with a fixed seed, the same ranking would always
        choose first.

    Returns
    -------
    items : ndarray of shape (n_users, n)
        The merged lists. If both rankings have no remaining items, the list is padded with -1 for integer ids and with
        None for other ids, as in the result of `recommend`.
    teams : ndarray of int8 of shape (n_users, n)
        The ranking that receives the credit for each item: 0 for a, 1 for b, -1 for padding. Log it with the list.

    Raises
    ------
    ValueError
        If the rankings are not tables with the same number of rows, or if a row has an item twice.

    See Also
    --------
    interleaving_test : Test which ranking the users prefer.

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
    rankings, vocabulary = _read_rankings(ranking_a, ranking_b)
    n_users = len(rankings[0])
    n = int(n or max(ranking.shape[1] for ranking in rankings))
    check_memory(BYTES_PER_PLACE * n_users * n, f"A list of n={n} items for each of {n_users} users", "Reduce n.")
    merged = np.full((n_users, n), PADDING, dtype=np.int64)
    teams = np.full((n_users, n), PADDING, dtype=np.int8)
    coins = check_random_state(random_state).randint(2, size=(n_users, -(-n // 2)))
    n_picked = np.zeros((n_users, 2), dtype=np.int64)
    for place in range(n):
        lead = n_picked[:, 0] - n_picked[:, 1]  # of ranking a; 0 at the start of a round
        turn = np.where(lead == 0, coins[:, place // 2], (lead > 0).astype(np.int64))
        picks = np.stack([_best_remaining(ranking, merged[:, :place]) for ranking in rankings])  # (2, n_users)
        rows = np.arange(n_users)
        turn = np.where(picks[turn, rows] == PADDING, 1 - turn, turn)
        merged[:, place] = picks[turn, rows]
        is_item = merged[:, place] != PADDING
        teams[is_item, place] = turn[is_item]
        n_picked[rows[is_item], turn[is_item]] += 1
    return vocabulary.names(merged), teams


@validate_params({"teams": ["array-like"], "clicks": ["array-like"]}, prefer_skip_nested_validation=True)
def interleaving_credit(teams: ArrayLike, clicks: ArrayLike) -> NDArray[np.float64]:
    """Compute the credit of two interleaved rankings from the clicks of the users.

    Parameters
    ----------
    teams : array-like of int of shape (n_lists, n)
        The ranking of each item, as `interleave` returns it: 0, 1, or -1 for padding.
    clicks : array-like of shape (n_lists, n)
        The non-negative value of each item for the user, such as 1 for a click or the revenue of a purchase.

    Returns
    -------
    credit : ndarray of shape (n_lists, 2)
        The sum of `clicks` over the items of ranking a, and over the items of ranking b.

    Raises
    ------
    ValueError
        If `teams` and `clicks` have different shapes or invalid values.

    Examples
    --------
    >>> from skgnnrec.online import interleaving_credit
    >>> interleaving_credit([[0, 1, 1]], [[0, 1, 1]])
    array([[0., 2.]])
    """
    team = read_numbers(teams, "teams", "(n_lists, n)", n_dimensions=2)
    click = read_numbers(clicks, "clicks", "(n_lists, n)", n_dimensions=2)
    if team.shape != click.shape:
        raise ValueError(f"teams and clicks must have the same shape; got {team.shape} and {click.shape}.")
    if not np.isin(team, (PADDING, 0, 1)).all():
        raise ValueError(f"teams must hold 0, 1 or {PADDING}; got {np.setdiff1d(team, (PADDING, 0, 1))[0]:g}.")
    if (click < 0).any():
        raise ValueError(f"clicks must be >= 0; got {click.min():g}.")
    with np.errstate(all="ignore"):
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
    """Test which of two interleaved rankings the users prefer.

    A user prefers the ranking with more credit. Users with equal credit for both rankings are ties and do not count.
    Without a preference, the number of wins of b has a binomial distribution with probability 1/2, which gives a sign
    test [1]_. Interleaving needs far fewer users than an A/B test, because each user sees both rankings.

    Parameters
    ----------
    teams : array-like of int of shape (n_lists, n)
        The ranking of each item, as `interleave` returns it.
    clicks : array-like of shape (n_lists, n)
        The non-negative value of each item for the user.
    users : array-like of shape (n_lists,), default=None
        The id of the user of each list. The credit of a user is summed over all lists of the user, because these lists
        are not independent. If None, each list belongs to a different user.
    confidence_level : float, default=0.95
        The level of the confidence interval, in (0, 1).

    Returns
    -------
    result : InterleavingResult
        The wins and ties, the share of the wins of b with its confidence interval, and the p-value.

    Raises
    ------
    ValueError
        If `teams` and `clicks` have different shapes or invalid values, or if `users` has another length.

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
        codes, n_users = user_codes(users, "users", len(credit))
        credit = np.stack([np.bincount(codes, column, minlength=n_users) for column in credit.T], axis=1)
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


def _read_rankings(ranking_a: Any, ranking_b: Any) -> tuple[list[NDArray[np.int64]], Vocabulary]:
    """Return two rankings as positions of the items in a vocabulary, -1 for padding, and the vocabulary."""
    tables = {"ranking_a": _read_table(ranking_a, "ranking_a"), "ranking_b": _read_table(ranking_b, "ranking_b")}
    n_rows = [len(table) for table in tables.values()]
    if n_rows[0] != n_rows[1]:
        raise ValueError(f"ranking_a and ranking_b must have one row per user; got {n_rows[0]} and {n_rows[1]} rows.")
    columns = {name: as_ids(table.ravel(), name, missing_ok=True) for name, table in tables.items()}
    is_item = {name: ~_is_padding(column) for name, column in columns.items()}
    items = [as_ids(column[is_item[name]], name) for name, column in columns.items()]
    vocabulary, codes = Vocabulary.of(_concatenate(*items))
    rankings = []
    for (name, table), part in zip(tables.items(), np.split(codes, [len(items[0])]), strict=True):
        flat = np.full(table.size, PADDING, dtype=np.int64)
        flat[is_item[name]] = part
        rankings.append(flat.reshape(table.shape))
        _check_distinct(rankings[-1], vocabulary, name)
    return rankings, vocabulary


def _read_table(ranking: Any, name: str) -> NDArray[Any]:
    """Return a ranking as an array of shape (n_users, n); every id keeps its value and its type."""
    expected = f"{name} must have shape (n_users, n), n >= 1"
    if isinstance(ranking, set | frozenset | Mapping):
        raise ValueError(f"{expected}; got a {type(ranking).__name__}.")
    if not isinstance(ranking, list | tuple):
        table = np.asarray(ranking)
    elif not all(_is_row(row) for row in ranking):
        raise ValueError(f"{expected}; got rows of type {', '.join(sorted({type(row).__name__ for row in ranking}))}.")
    else:
        lengths = {len(row) for row in ranking}
        if len(lengths) > 1:
            raise ValueError(f"{expected}; got rows of different lengths. Pad the shorter ones with None at the end.")
        n = max(lengths, default=0)
        table = np.fromiter(chain.from_iterable(ranking), dtype=object, count=len(ranking) * n).reshape(len(ranking), n)
    if table.ndim != 2 or not table.shape[1]:
        raise ValueError(f"{expected}; got {table.shape}.")
    return table


def _is_row(row: Any) -> bool:
    """Return whether a value is a sequence of ids rather than one id."""
    return isinstance(row, Iterable) and hasattr(row, "__len__") and not isinstance(row, str | bytes | set | Mapping)


def _is_padding(ids: NDArray[Any]) -> NDArray[np.bool_]:
    """Mark missing ids, or -1 in rankings without missing ids."""
    is_missing = pd.isna(ids)
    if is_missing.any() or ids.dtype.kind not in "ifO":
        return is_missing
    if ids.dtype == object:
        return np.array([type(value) is int and value == PADDING for value in ids], dtype=bool)
    return ids == PADDING


def _concatenate(first: NDArray[Any], second: NDArray[Any]) -> NDArray[Any]:
    """Return the ids of two arrays in one array; the types of the ids do not change."""
    if first.dtype == second.dtype:
        return np.concatenate([first, second])
    return as_ids([*first, *second], "the rankings")


def _check_distinct(ranking: NDArray[np.int64], vocabulary: Vocabulary, name: str) -> None:
    ascending = np.sort(ranking, axis=1)
    is_repeated = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] != PADDING)
    if is_repeated.any():
        row = int(np.argmax(is_repeated.any(axis=1)))
        item = vocabulary.ids[ascending[row, 1:][is_repeated[row]]].tolist()[0]
        raise ValueError(f"{name} must contain an item at most once per row; got {item!r} more than once in row {row}.")


def _best_remaining(ranking: NDArray[np.int64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first item of each user that is not chosen yet, -1 if there is none."""
    remains = ranking != PADDING
    for place in range(chosen.shape[1]):
        remains &= ranking != chosen[:, place, None]
    best = ranking[np.arange(len(ranking)), np.argmax(remains, axis=1)]
    return np.where(remains.any(axis=1), best, PADDING)
