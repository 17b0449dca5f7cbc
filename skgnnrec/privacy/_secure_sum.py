"""Secure aggregation: a server receives the sum of the vectors of several silos, and nothing else about them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from skgnnrec.privacy._secret_sharing import SHARE_BYTES, combine_shares, split_secret

__all__ = ["SecureSumServer", "SecureSumSilo", "integers_of", "run_in_process"]

KEY_BYTES, SEED_BYTES = 32, 32


def _ciphers() -> Any:
    try:
        from skgnnrec.privacy import _ciphers as ciphers
    except ImportError as error:
        raise ImportError("Secure sums require the package cryptography: pip install 'skgnnrec[privacy]'.") from error
    return ciphers


def _check_numbers(place: int, n_silos: int, threshold: int) -> None:
    for name, value, smallest, largest in (
        ("n_silos", n_silos, 2, None),
        ("place", place, 0, n_silos - 1 if isinstance(n_silos, int) else None),
        ("threshold", threshold, 2, n_silos),
    ):
        is_number = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_number or value < smallest or (largest is not None and value > largest):
            upper = "" if largest is None else f" to {largest}"
            raise ValueError(f"{name} must be an integer from {smallest}{upper}, got {value!r}.")


class SecureSumSilo:
    r"""The part of one silo in a sum that reveals nothing else: masks that cancel.

    Silo u sends its vector with masks [1]_,

    .. math:: y_u = x_u + r(b_u) + \sum_{v > u} r(s_{uv}) - \sum_{v < u} r(s_{uv}) \mod 2^{64}.

    The seed :math:`s_{uv}` is a secret of the silos u and v, by a key exchange through the server, and r turns a seed
    into uniform integers. In the sum these masks cancel. The seeds :math:`b_u`, and the keys of silos that drop out,
    are shared between all silos, so that `threshold` of them can help the server to remove what remains. Each message
    is one method; the server passes the messages on.

    Parameters
    ----------
    place : int
        The number of the silo, from 0 to n_silos - 1.
    n_silos : int
        The number of silos, at least 2.
    threshold : int
        The number of silos that have to stay until the end, from 2 to n_silos. It should be more than half of them:
        then a server that tells silos different things cannot remove both masks of one of them.

    See Also
    --------
    SecureSumServer : The other side.
    federated_fit : Runs the protocol for a recommender, in one process.

    Notes
    -----
    The server and the silos are assumed to follow the protocol, and may try to learn from what they see. The messages
    must come from the silos that they name: use connections with certificates on both sides. Each object is used for
    one sum, and can be pickled between two messages. The keys are those of X25519, seeds are expanded by ChaCha20,
    shares are encrypted by ChaCha20-Poly1305, all from the package `cryptography`.

    References
    ----------
    .. [1] K. Bonawitz et al., "Practical secure aggregation for privacy-preserving machine learning", CCS 2017.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.privacy import SecureSumServer, SecureSumSilo
    >>> silos = [SecureSumSilo(place, n_silos=3, threshold=2) for place in range(3)]
    >>> keys = {place: silo.keys() for place, silo in enumerate(silos)}
    >>> shares = {place: silo.share(keys) for place, silo in enumerate(silos)}
    >>> vectors = [np.array([1, 2]), np.array([10, 20]), np.array([100, 200])]
    >>> masked = {}
    >>> for place in (0, 2):  # the silo 1 is lost
    ...     received = {sender: parts[place] for sender, parts in shares.items() if sender != place}
    ...     masked[place] = silos[place].mask(vectors[place], received)
    >>> revealed = {place: silos[place].reveal(masked) for place in masked}
    >>> SecureSumServer(n_silos=3, threshold=2).sum_of(masked, revealed, keys)
    array([101, 202])
    """

    def __init__(self, place: int, *, n_silos: int, threshold: int) -> None:
        _check_numbers(place, n_silos, threshold)
        self.place, self.n_silos, self.threshold = int(place), int(n_silos), int(threshold)
        self._sharing_key, self._masking_key, self._seed = (_ciphers().new_secret() for _ in range(3))
        self._keys: dict[int, bytes] = {}
        self._own_shares: list[bytes] = []
        self._received: dict[int, bytes] = {}
        self._is_masked = self._has_revealed = False

    def keys(self) -> bytes:
        """Return the public keys of the silo, the first message.

        Returns
        -------
        keys : bytes of length 64
            The message to the server, which sends the keys of all silos to each of them.
        """
        return _ciphers().public_key(self._sharing_key) + _ciphers().public_key(self._masking_key)

    def share(self, keys: Mapping[int, bytes]) -> dict[int, bytes]:
        """Return the shares of the secrets of this silo, encrypted for the others, the second message.

        Parameters
        ----------
        keys : mapping from int to bytes
            The public keys of all silos by their places.

        Returns
        -------
        shares : dict from int to bytes
            The share for each other silo.

        Raises
        ------
        ValueError
            If `keys` lacks a silo, or names one with other keys than this silo has sent.
        """
        if not isinstance(keys, Mapping) or sorted(keys) != list(range(self.n_silos)):
            raise ValueError(f"keys must have the keys of the silos 0 to {self.n_silos - 1}, got {keys!r:.100}.")
        if keys[self.place] != self.keys() or len(set(keys.values())) < self.n_silos:
            raise ValueError("keys must have the keys that each silo has sent, got others.")
        self._keys = dict(keys)
        of_key = split_secret(self._masking_key, self.n_silos, self.threshold)
        of_seed = split_secret(self._seed, self.n_silos, self.threshold)
        self._own_shares = [first + second for first, second in zip(of_key, of_seed, strict=True)]
        return {
            other: _ciphers().encrypt(self._channel(other), _header(self.place, other), self._own_shares[other])
            for other in range(self.n_silos)
            if other != self.place
        }

    def mask(self, values: Any, shares: Mapping[int, bytes]) -> np.ndarray:
        """Return the vector of the silo with masks, the third message.

        Parameters
        ----------
        values : array-like of int, shape (n_values,)
            The vector. The sum over all silos must fit into 64 bits with sign.
        shares : mapping from int to bytes
            The shares for this silo by the places of their senders. Silos without shares have dropped out before.

        Returns
        -------
        masked : ndarray of shape (n_values,), uint64
            The vector with masks: uniform integers for everybody who does not know all of them.

        Raises
        ------
        ValueError
            If there are fewer than `threshold` silos, `values` are no integers, or the silo has masked a vector before.
        """
        vector = integers_of(values, "values")
        others = set(shares) if isinstance(shares, Mapping) else set()
        if not others <= set(self._keys) - {self.place} or len(others) + 1 < self.threshold:
            raise ValueError(
                f"shares must come from {self.threshold - 1} or more other silos, after share; got {shares!r:.99}."
            )
        if self._is_masked:
            raise ValueError("values can be masked once: a second vector with the same masks would reveal the first.")
        self._received = {
            other: _ciphers().decrypt(self._channel(other), _header(other, self.place), shares[other])
            for other in others
        }
        masked = vector.view(np.uint64) + _ciphers().expand(self._seed, len(vector))
        for other in others:
            mask = _ciphers().expand(self._mask_seed(other), len(vector))
            masked = masked + mask if other > self.place else masked - mask
        self._is_masked = True
        return masked

    def reveal(self, arrived: Iterable[int]) -> dict[int, bytes]:
        """Return what removes the remaining masks, the fourth message.

        Parameters
        ----------
        arrived : iterable of int
            The places of the silos whose masked vectors have reached the server.

        Returns
        -------
        parts : dict from int to bytes
            Of silos that arrived, the share of the seed of their own mask; of the others, the share of their key. Never
            both: together they would reveal the vector of the silo.

        Raises
        ------
        ValueError
            If fewer than `threshold` silos arrived, or if this was called before.
        """
        places = list(arrived) if isinstance(arrived, Iterable) else []
        known = {self.place: self._own_shares[self.place], **self._received} if self._is_masked else {}
        named = {int(place) for place in places if isinstance(place, int | np.integer) and place in known}
        if len(named) < max(self.threshold, len(places)) or self.place not in named:
            raise ValueError(
                f"arrived must name {self.threshold} or more of the silos {sorted(known)}, with this one; got "
                f"{arrived!r:.100}."
            )
        if self._has_revealed:
            raise ValueError("arrived can be answered once: two answers would reveal the vector of a silo.")
        self._has_revealed = True
        return {
            other: share[SHARE_BYTES:] if other in places else share[:SHARE_BYTES] for other, share in known.items()
        }

    def _channel(self, other: int) -> bytes:
        return _ciphers().agree(self._sharing_key, self._keys[other][:KEY_BYTES], b"skgnnrec shares")

    def _mask_seed(self, other: int) -> bytes:
        return _ciphers().agree(self._masking_key, self._keys[other][KEY_BYTES:], b"skgnnrec masks")


class SecureSumServer:
    """The part of the server in a secure sum: it adds masked vectors and removes the masks that remain.

    Parameters
    ----------
    n_silos : int
        The number of silos, at least 2.
    threshold : int
        The number of silos that have to stay until the end, from 2 to n_silos.

    See Also
    --------
    SecureSumSilo : The other side, with an example in which a silo drops out.

    Examples
    --------
    >>> import numpy as np
    >>> from skgnnrec.privacy import SecureSumServer, SecureSumSilo
    >>> silos = [SecureSumSilo(place, n_silos=2, threshold=2) for place in range(2)]
    >>> keys = {place: silo.keys() for place, silo in enumerate(silos)}
    >>> shares = {place: silo.share(keys) for place, silo in enumerate(silos)}
    >>> masked = {0: silos[0].mask([1, 2], {1: shares[1][0]}), 1: silos[1].mask([10, 20], {0: shares[0][1]})}
    >>> revealed = {place: silo.reveal(masked) for place, silo in enumerate(silos)}
    >>> SecureSumServer(n_silos=2, threshold=2).sum_of(masked, revealed, keys)
    array([11, 22])
    """

    def __init__(self, *, n_silos: int, threshold: int) -> None:
        _check_numbers(0, n_silos, threshold)
        self.n_silos, self.threshold = int(n_silos), int(threshold)

    def sum_of(
        self,
        masked: Mapping[int, np.ndarray],
        revealed: Mapping[int, Mapping[int, bytes]],
        keys: Mapping[int, bytes],
    ) -> np.ndarray:
        """Return the sum of the vectors of the silos that sent theirs.

        Parameters
        ----------
        masked : mapping from int to ndarray of shape (n_values,), uint64
            The masked vectors by the places of the silos.
        revealed : mapping from int to mapping from int to bytes
            What `threshold` or more of these silos have revealed, by their places.
        keys : mapping from int to bytes
            The public keys of all silos.

        Returns
        -------
        total : ndarray of shape (n_values,), int64
            The sum.

        Raises
        ------
        ValueError
            If fewer than `threshold` silos sent their vectors or revealed their shares.
        """
        for name, given in (("masked", masked), ("revealed", revealed), ("keys", keys)):
            needed = self.n_silos if name == "keys" else self.threshold
            if not isinstance(given, Mapping) or len(given) < needed or not set(given) <= set(range(self.n_silos)):
                raise ValueError(f"{name} must be a mapping from {needed} or more silos, got {given!r:.100}.")
        lengths = {np.shape(vector) for vector in masked.values()}
        if len(lengths) > 1:
            raise ValueError(f"masked must have vectors of one length, got the shapes {sorted(lengths)}.")
        total, n_values = sum(masked.values(), np.zeros(1, np.uint64)), next(iter(lengths))[0]
        for place in {other for parts in revealed.values() for other in parts}:
            shares = {holder: parts[place] for holder, parts in revealed.items() if place in parts}
            secret = combine_shares(dict(list(shares.items())[: self.threshold]), SEED_BYTES)
            if place in masked:
                total = total - _ciphers().expand(secret, n_values)
                continue
            for other in masked:
                seed = _ciphers().agree(secret, keys[other][KEY_BYTES:], b"skgnnrec masks")
                mask = _ciphers().expand(seed, n_values)
                total = total - mask if place > other else total + mask
        return np.asarray(total).view(np.int64)


def integers_of(values: Any, name: str) -> np.ndarray:
    """Return a vector of integers, (n_values,), int64; refuse other values by name."""
    try:
        vector = np.asarray(values)
    except ValueError:  # rows of different lengths
        vector = np.zeros(0)
    if vector.dtype.kind not in "iu" or vector.ndim != 1:
        raise ValueError(f"{name} must be a vector of integers, got {values!r:.100}, a {type(values).__name__}.")
    return vector.astype(np.int64)


def run_in_process(
    vector_of: Callable[[int], np.ndarray], n_silos: int, threshold: int, dropped: Iterable[int]
) -> np.ndarray:
    """Return the sum of the vectors of all silos but those that drop out after they have shared their keys."""
    silos = [SecureSumSilo(place, n_silos=n_silos, threshold=threshold) for place in range(n_silos)]
    keys = {silo.place: silo.keys() for silo in silos}
    shares = {silo.place: silo.share(keys) for silo in silos}
    masked = {}
    for silo in silos:
        if silo.place not in dropped:
            received = {sender: parts[silo.place] for sender, parts in shares.items() if sender != silo.place}
            masked[silo.place] = silo.mask(vector_of(silo.place), received)
    revealed = {place: silos[place].reveal(masked) for place in masked}
    return SecureSumServer(n_silos=n_silos, threshold=threshold).sum_of(masked, revealed, keys)


def _header(sender: int, receiver: int) -> bytes:
    return f"from {sender} to {receiver}".encode()
