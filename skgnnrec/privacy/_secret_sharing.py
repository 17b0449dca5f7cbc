"""Shamir's secret sharing over a prime field."""

from __future__ import annotations

import secrets

__all__ = ["SHARE_BYTES", "combine_shares", "split_secret"]

PRIME = 2**521 - 1
SHARE_BYTES = 66


def split_secret(secret: bytes, n_shares: int, threshold: int) -> list[bytes]:
    """Return shares of a secret, of which `threshold` determine it and fewer say nothing; share k belongs to k + 1.

    A. Shamir, "How to share a secret", Communications of the ACM 1979.
    """
    coefficients = [int.from_bytes(secret), *(secrets.randbelow(PRIME) for _ in range(threshold - 1))]
    shares = []
    for point in range(1, n_shares + 1):
        value = 0
        for coefficient in reversed(coefficients):
            value = (value * point + coefficient) % PRIME
        shares.append(value.to_bytes(SHARE_BYTES))
    return shares


def combine_shares(shares: dict[int, bytes], length: int) -> bytes:
    """Return the secret of some shares by their places, `length` bytes: the interpolation at zero."""
    points = {place + 1: int.from_bytes(share) for place, share in shares.items()}
    secret = 0
    for point, value in points.items():
        top, bottom = 1, 1
        for other in points:
            if other != point:
                top, bottom = top * other % PRIME, bottom * (other - point) % PRIME
        secret = (secret + value * top * pow(bottom, -1, PRIME)) % PRIME
    if secret >> (8 * length):
        raise ValueError("The shares do not belong together, or are fewer than the threshold.")
    return secret.to_bytes(length)
