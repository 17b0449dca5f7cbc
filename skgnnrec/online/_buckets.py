"""Which variant of an experiment a user sees: a hash, so that nothing has to be stored."""

import hashlib
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils._param_validation import validate_params

RESOLUTION = 53  # bits of a hash that a float64 in [0, 1) holds exactly


@validate_params(
    {"users": ["array-like"], "experiment": [str], "shares": [Mapping]}, prefer_skip_nested_validation=True
)
def assign_buckets(users: ArrayLike, *, experiment: str, shares: Mapping[str, float]) -> NDArray[Any]:
    """Assign users to the variants of an experiment, the same way every time and on every machine.

    The name of the experiment and the user's id are hashed to a point of [0, 1) (BLAKE2b), which the shares divide
    in the order of the variants' names [1]_. Nothing is stored or drawn: a user who comes back sees the same variant,
    and another experiment, with another name, divides the same users independently.

    Parameters
    ----------
    users : array-like of str or int of shape (n_users,)
        Ids of the users. An integer and its decimal string are the same id.
    experiment : str
        Name of the experiment. Choose a new one for every experiment, or its groups will be those of an earlier one.
    shares : dict of str to float
        Share of the users of each variant, each >= 0, in sum 1. Changing the shares moves users: start a new
        experiment instead.

    Returns
    -------
    buckets : ndarray of str of shape (n_users,)
        The variant of each user.

    Raises
    ------
    TypeError
        If an id is neither a string nor an integer: 7 would become "7.0" where a missing id made the column float.
    ValueError
        If the shares are not numbers >= 0 whose sum is 1.

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
    ids = users if isinstance(users, list | tuple) else np.asarray(users).tolist()
    points = np.array([_point(experiment, _as_text(user, i)) for i, user in enumerate(ids)], dtype=np.float64)
    return np.array(names)[np.searchsorted(bounds, points, side="right")]


def _check_shares(shares: Mapping[str, float]) -> tuple[list[str], NDArray[np.float64]]:
    """Return the names of the variants that have a share, and the upper bounds of all but the last."""
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
    # The length keeps experiment "a" with user "bc" apart from experiment "ab" with user "c".
    text = f"{len(experiment)}:{experiment}{user}".encode("utf-8", "surrogatepass")
    digest = int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big")
    return float((digest >> (64 - RESOLUTION)) / 2**RESOLUTION)
