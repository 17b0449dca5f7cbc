"""Generated interactions, items and texts of any size.

Users prefer topics, items have one, and both their activity and their popularity have a long tail.
All steps cost time and memory linear in the number of interactions, up to the sorting.
"""

from numbers import Integral, Real

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.utils import Bunch, check_random_state
from sklearn.utils._param_validation import Interval, RealNotInt, validate_params

from skgnnrec.datasets._bunch import build_bunch, seconds_to_datetime
from skgnnrec.datasets._titles import make_titles

_FIRST_SECOND = int(np.datetime64("2024-01-01", "s").astype(np.int64))
_N_SECONDS = 365 * 24 * 3600
# After so many rounds of drawing by preference, users who still lack items take any.
_N_PREFERENCE_ROUNDS = 8

_DESCR = """\
Generated interactions
----------------------

{n_users} users and {n_items} items of {n_topics} topics, with {n_interactions} interactions, made by
`skgnnrec.datasets.make_interactions`. No user and no item of it exists. No licence is needed.

Every item has one topic and a made-up title with two of its topic's words; every user has a preference for each
topic. A user's items are drawn without replacement: a topic by preference, then an item of it by popularity.
Activity and popularity follow power laws. The value of an interaction is 1.
"""


@validate_params(
    {
        "n_users": [Interval(Integral, 1, None, closed="left")],
        "n_items": [Interval(Integral, 1, None, closed="left")],
        "n_interactions": [
            Interval(Integral, 0, None, closed="left"),
            Interval(RealNotInt, 0, 1, closed="both"),
        ],
        "n_topics": [Interval(Integral, 1, None, closed="left")],
        "topic_concentration": [Interval(Real, 0, np.inf, closed="neither")],
        "user_exponent": [Interval(Real, 0, np.inf, closed="left")],
        "item_exponent": [Interval(Real, 0, np.inf, closed="left")],
        "cold_item_share": [Interval(Real, 0, 1, closed="left")],
        "random_state": ["random_state"],
    },
    prefer_skip_nested_validation=True,
)
def make_interactions(
    n_users: int = 1000,
    n_items: int = 500,
    *,
    n_interactions: int | float = 0.02,
    n_topics: int = 10,
    topic_concentration: float = 0.1,
    user_exponent: float = 0.5,
    item_exponent: float = 0.9,
    cold_item_share: float = 0.0,
    random_state: int | np.random.RandomState | None = None,
) -> Bunch:
    """Generate users, items with titles, and interactions from latent topics.

    Every item has one topic, and a readable made-up title whose words tell it. Every user has a preference
    for each topic. A user's items are drawn without replacement, a topic by preference and then an item of it
    by popularity. Activity and popularity have a long tail.

    Parameters
    ----------
    n_users : int, default=1000
        Number of users, at least 1.
    n_items : int, default=500
        Number of items, at least 1.
    n_interactions : int or float, default=0.02
        Number of distinct pairs of a user and an item; exactly so many come out. A float in [0, 1] is a share
        of all ``n_users * n_items`` pairs. If there are at least as many as users, every user has one.
    n_topics : int, default=10
        Number of topics. No more than there are items with interactions.
    topic_concentration : float, default=0.1
        Parameter of the symmetric Dirichlet distribution of each user's preferences, above 0. When small, a
        user keeps to a few topics; when large, all topics are liked alike.
    user_exponent : float, default=0.5
        The r-th most active user has a number of interactions in proportion to ``r ** -user_exponent``, as far
        as there are items left. With 0, all users are equally active.
    item_exponent : float, default=0.9
        The r-th most popular item is drawn, within its topic, in proportion to ``r ** -item_exponent``.
    cold_item_share : float, default=0.0
        Share in [0, 1) of the items that have a title and a topic but no interaction.
    random_state : int, RandomState instance or None, default=None
        Pass an int for the same data at every call.

    Returns
    -------
    data : :class:`~sklearn.utils.Bunch`
        Dictionary-like object, with the following attributes.

        events : DataFrame of shape (n_interactions, 3)
            One row an interaction, sorted by time: `user_id` (int64), `item_id` (int64) and `timestamp`
            (datetime64[s], at random over 365 days from 1 January 2024).
        item_frame : DataFrame of shape (n_items, 2)
            One row an item: `item_id` (int64, its position) and `text` (str, its title). Also as
            ``data["items"]``; as an attribute, `items` is the method of the dictionary.
        interactions : csr_matrix of shape (n_users, n_items), dtype float32
            1 where the user has the item.
        user_ids : ndarray of shape (n_users,), dtype int64
            The user of each row of `interactions`: its position.
        item_ids : ndarray of shape (n_items,), dtype int64
            The item of each column of `interactions`: its position.
        user_topics : ndarray of shape (n_users, n_topics), dtype float64
            Preference of each user for each topic; a row sums to 1.
        item_topics : ndarray of shape (n_items,), dtype int64
            Topic of each item. Topics have equally many items, up to one.
        DESCR : str
            Description of the data.

    Raises
    ------
    ValueError
        If a parameter is out of its range, more interactions are wanted than there are pairs, or more topics
        than items.

    See Also
    --------
    load_online_retail : Purchases of a shop.
    sklearn.datasets.make_multilabel_classification : A similar model, for labels.

    Notes
    -----
    Time and memory grow with the number of interactions, whatever the number of pairs of a user and an item.

    Examples
    --------
    >>> from skgnnrec.datasets import make_interactions
    >>> data = make_interactions(100, 50, n_interactions=400, random_state=0)
    >>> data.interactions.shape, data.interactions.nnz
    ((100, 50), 400)
    >>> data.item_frame["text"][0]
    'Classic Calendar Office Box'
    """
    rng = check_random_state(random_state)
    n_warm = n_items - round(cold_item_share * n_items)
    n_pairs = _count_pairs(n_interactions, n_users, n_items, n_warm)
    _check_topics(n_topics, n_items, n_warm)
    warm_items = rng.permutation(n_items)[:n_warm]
    item_topics = _assign_topics(warm_items, n_items, n_topics, rng)
    user_topics = _draw_preferences(n_users, n_topics, topic_concentration, rng)
    degrees = _draw_degrees(n_users, n_pairs, n_warm, user_exponent, rng)
    sampler = _ItemSampler(user_topics, item_topics[warm_items], item_exponent)
    users, positions = _draw_pairs(degrees, sampler, rng)
    return build_bunch(
        _make_events(users, warm_items[positions], rng),
        pd.DataFrame({"item_id": np.arange(n_items), "text": make_titles(item_topics, rng)}),
        np.ones(n_pairs),
        _DESCR.format(n_users=n_users, n_items=n_items, n_topics=n_topics, n_interactions=n_pairs),
        user_ids=np.arange(n_users),
        user_topics=user_topics,
        item_topics=item_topics,
    )


def _count_pairs(n_interactions: int | float, n_users: int, n_items: int, n_warm: int) -> int:
    is_count = isinstance(n_interactions, Integral)
    n_pairs = int(n_interactions if is_count else round(n_interactions * n_users * n_items))
    if n_pairs > n_users * n_warm:
        raise ValueError(
            f"n_interactions must be at most {n_users * n_warm}, the number of pairs of {n_users} users and "
            f"{n_warm} items that are not cold, got {n_pairs}."
        )
    return n_pairs


def _check_topics(n_topics: int, n_items: int, n_warm: int) -> None:
    if n_topics > max(n_warm, 1):
        raise ValueError(
            f"n_topics must be at most {n_warm}, the number of items that are not cold (of {n_items}), got {n_topics}."
        )


def _assign_topics(
    warm_items: NDArray[np.int64], n_items: int, n_topics: int, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Deal the topics out to the warm items first, so that none is without one."""
    is_cold = np.ones(n_items, dtype=bool)
    is_cold[warm_items] = False
    order = np.concatenate([warm_items, rng.permutation(np.flatnonzero(is_cold))])
    topics = np.empty(n_items, dtype=np.int64)
    topics[order] = np.arange(n_items) % n_topics
    return topics


def _draw_preferences(
    n_users: int, n_topics: int, concentration: float, rng: np.random.RandomState
) -> NDArray[np.float64]:
    weights = rng.gamma(concentration, size=(n_users, n_topics))
    # With a tiny concentration all weights of a user may underflow: one topic it is, as in the limit.
    lost = np.flatnonzero(weights.max(axis=1) == 0)
    weights[lost, rng.randint(n_topics, size=len(lost))] = 1.0
    weights /= weights.max(axis=1, keepdims=True)  # a huge one must not overflow in the sum
    return weights / weights.sum(axis=1, keepdims=True)


def _draw_degrees(
    n_users: int, n_pairs: int, n_warm: int, exponent: float, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Share the interactions out by a power law, at most `n_warm` each, at least one where there are enough."""
    weights = _power_law(n_users, exponent)
    floor = 1 if n_pairs >= n_users else 0
    ideal = floor + _fill_up(weights, n_pairs - floor * n_users, n_warm - floor)
    degrees = np.floor(ideal).astype(np.int64)
    rest = n_pairs - int(degrees.sum())
    lost = np.where(degrees < n_warm, ideal - degrees, -1.0)
    degrees[np.argsort(-lost, kind="stable")[:rest]] += 1
    return rng.permutation(degrees)


def _power_law(size: int, exponent: float) -> NDArray[np.float64]:
    return np.maximum(np.arange(1.0, size + 1) ** -exponent, 1e-200)  # zeros could not be normalised


def _fill_up(weights: NDArray[np.float64], total: int, capacity: int) -> NDArray[np.float64]:
    """Find c with ``sum(min(c * weights, capacity)) == total``; the weights must descend."""
    n_full = np.arange(len(weights))
    weight_left = np.cumsum(weights[::-1])[::-1]
    scale = (total - n_full * capacity) / weight_left
    fits = scale * weights <= capacity
    first = int(np.argmax(fits)) if fits.any() else len(weights)
    shares = np.full(len(weights), float(capacity))
    shares[first:] = scale[first : first + 1] * weights[first:]
    return shares


class _ItemSampler:
    """Draws of one item for each of many users, by inverting two cumulative distributions at once.

    The distributions of all users (topics) lie one after another on the real line, the k-th on [k, k + 1], so
    one `searchsorted` draws for all of them.
    """

    def __init__(self, user_topics: NDArray[np.float64], item_topics: NDArray[np.int64], item_exponent: float) -> None:
        n_items = len(item_topics)
        self.n_items = n_items
        self.n_topics = user_topics.shape[1]
        self.topic_ends = _line_up(user_topics)
        self.items_by_topic = np.argsort(item_topics, kind="stable")
        popularity = _power_law(n_items, item_exponent)
        self.topic_sizes = np.bincount(item_topics, minlength=self.n_topics)
        self.topic_starts = np.cumsum(self.topic_sizes) - self.topic_sizes
        sorted_topics = item_topics[self.items_by_topic]
        total = np.bincount(item_topics, weights=popularity, minlength=self.n_topics)
        share = popularity[self.items_by_topic] / total[sorted_topics]
        before = np.cumsum(share) - share
        self.item_ends = sorted_topics + (before - before[self.topic_starts][sorted_topics]) + share

    def draw(self, users: NDArray[np.int64], rng: np.random.RandomState) -> NDArray[np.int64]:
        """Draw one item for each of the users, by their preferences and the items' popularity."""
        topics = np.searchsorted(self.topic_ends, users + rng.random_sample(len(users)), side="right")
        topics -= users * self.n_topics
        np.clip(topics, 0, self.n_topics - 1, out=topics)
        places = np.searchsorted(self.item_ends, topics + rng.random_sample(len(users)), side="right")
        starts = self.topic_starts[topics]
        np.clip(places, starts, starts + self.topic_sizes[topics] - 1, out=places)
        return self.items_by_topic[places]


def _line_up(distributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where each outcome ends on the line, the k-th row of probabilities taking [k, k + 1]."""
    ends = np.cumsum(distributions, axis=1)
    ends[:, -1] = 1.0
    ends += np.arange(len(ends))[:, np.newaxis]
    return ends.ravel()


def _draw_pairs(
    degrees: NDArray[np.int64], sampler: _ItemSampler, rng: np.random.RandomState
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Draw for all users at once; what was drawn before is drawn again, round by round, until all are full."""
    n_items = sampler.n_items
    pairs = np.empty(0, dtype=np.int64)
    missing = degrees.copy()
    n_rounds = 0
    while missing.any():
        drawn = np.sort(_draw_candidates(missing, degrees, sampler, n_rounds, rng))
        # np.unique takes twice as long: it hashes before it sorts.
        new = _subtract(drawn[np.diff(drawn, prepend=-1) > 0], pairs)
        if n_rounds:
            new = _keep_at_most(new, missing, n_items, rng)
        missing -= np.bincount(new // n_items, minlength=len(degrees))
        # Both parts are sorted, which the stable sort makes use of.
        pairs = np.sort(np.concatenate([pairs, new]), kind="stable")
        n_rounds += 1
    return pairs // n_items, pairs % n_items


def _draw_candidates(
    missing: NDArray[np.int64],
    degrees: NDArray[np.int64],
    sampler: _ItemSampler,
    n_rounds: int,
    rng: np.random.RandomState,
) -> NDArray[np.int64]:
    """Draw as many pairs as are missing; in later rounds more, the fewer items a user has not got yet."""
    n_draws = missing
    if n_rounds:
        n_unseen = sampler.n_items - (degrees - missing)
        n_draws = np.where(missing > 0, -(-missing * sampler.n_items // np.maximum(n_unseen, 1)), 0)
    users = np.repeat(np.arange(len(missing)), n_draws)
    if n_rounds < _N_PREFERENCE_ROUNDS:
        items = sampler.draw(users, rng)
    else:
        items = rng.randint(sampler.n_items, size=len(users), dtype=np.int64)
    return users * sampler.n_items + items


def _subtract(candidates: NDArray[np.int64], pairs: NDArray[np.int64]) -> NDArray[np.int64]:
    """Drop the candidates that are among the pairs; both are sorted and distinct."""
    if not len(pairs):
        return candidates
    places = np.minimum(np.searchsorted(pairs, candidates), len(pairs) - 1)
    return candidates[pairs[places] != candidates]


def _keep_at_most(
    pairs: NDArray[np.int64], missing: NDArray[np.int64], n_items: int, rng: np.random.RandomState
) -> NDArray[np.int64]:
    """Keep a random choice of each user's pairs, no more than are missing; sorted like the pairs."""
    users = pairs // n_items
    order = np.lexsort((rng.random_sample(len(pairs)), users))
    n_found = np.bincount(users, minlength=len(missing))
    rank = np.arange(len(pairs)) - np.repeat(np.cumsum(n_found) - n_found, n_found)
    return np.sort(pairs[order[rank < missing[users]]])


def _make_events(users: NDArray[np.int64], items: NDArray[np.int64], rng: np.random.RandomState) -> pd.DataFrame:
    seconds = np.sort(rng.randint(_N_SECONDS, size=len(users), dtype=np.int64))
    order = rng.permutation(len(users))
    return pd.DataFrame(
        {
            "user_id": users[order],
            "item_id": items[order],
            "timestamp": seconds_to_datetime(_FIRST_SECOND + seconds),
        }
    )
