"""Assignment of users to the variants of an experiment by a hash."""

import hashlib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_params

from skgnnrec.interactions import as_ids

RESOLUTION = 53  # bits of a hash that a float64 in [0, 1) represents exactly


@validate_params(
    {"users": ["array-like"], "experiment": [str], "shares": [Mapping]}, prefer_skip_nested_validation=True
)
def assign_buckets(users: ArrayLike, *, experiment: str, shares: Mapping[str, float]) -> NDArray[Any]:
    """Assign users to the variants of an experiment by a hash of their ids.

    The name of the experiment and the id of the user are hashed (BLAKE2b) to a number in [0, 1). The shares divide this
    interval in the order of the names of the variants [1]_. The assignment needs no storage and no random numbers: a
    user always receives the same variant, on all machines. Experiments with different names are independent.

    Parameters
    ----------
    users : array-like of str or int of shape (n_users,)
        The ids of the users. An integer and its decimal string are the same id.
    experiment : str
        The name of the experiment. Choose a new name for each experiment. Otherwise, the groups are those of an earlier
        experiment.
    shares : dict of str to float
        The share of the users of each variant. The shares are non-negative and sum to 1. Start a new experiment to
        change them, because new shares move users between variants.

    Returns
    -------
    buckets : ndarray of str of shape (n_users,)
        The variant of each user.

    Raises
    ------
    TypeError
        If an id is neither a string nor an integer. Floats are refused because a column of integers with missing values
        becomes a column of floats, where 7 is 7.0.
    ValueError
        If `users` has no order or not one dimension, or if the shares are not non-negative numbers with the sum 1.

    References
    ----------
    .. [1] R. Kohavi, D. Tang and Y. Xu, "Trustworthy online controlled experiments", section 4,
       Cambridge University Press, 2020.

    Examples
    --------
    >>> from skgnnrec.online import assign_buckets
    >>> shares = {"popularity": 0.5, "ridge": 0.5}
    >>> assign_buckets(["ann", "bob", "cy"], experiment="home page, May", shares=shares)
    array(['popularity', 'popularity', 'ridge'], dtype='<U10')
    """
    names, bounds = _check_shares(shares)
    ids = as_ids(users, "users", missing_ok=True).tolist()
    points = np.array([_point(experiment, _as_text(user, i)) for i, user in enumerate(ids)], dtype=np.float64)
    return np.array(names)[np.searchsorted(bounds, points, side="right")]


def _check_shares(shares: Mapping[str, float]) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names of the variants with a positive share, and the upper bounds of all but the last."""
    for name, share in shares.items():
        if not isinstance(name, str) or not isinstance(share, Real) or not share >= 0:
            raise ValueError(f"shares must map names to numbers >= 0; got {name!r}: {share!r}.")
    total = sum(shares.values())
    if not np.isclose(total, 1, rtol=0, atol=1e-9):
        raise ValueError(f"shares must sum to 1; got {total} from {dict(shares)}.")
    names = sorted(name for name, share in shares.items() if share > 0)
    return names, np.cumsum([shares[name] for name in names])[:-1]


def _as_text(user: Any, position: int) -> str:
    if isinstance(user, str):
        return user
    if isinstance(user, Integral) and not isinstance(user, bool):
        return str(int(user))
    raise TypeError(
        f"users must be strings or integers; got {user!r} of type {type(user).__name__} at position {position}."
    )


def _point(experiment: str, user: str) -> float:
    # The length distinguishes experiment "a" with user "bc" from experiment "ab" with user "c".
    text = f"{len(experiment)}:{experiment}{user}".encode("utf-8", "surrogatepass")
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return float((digest >> (64 - RESOLUTION)) / 2**RESOLUTION)
