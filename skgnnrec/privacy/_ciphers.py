"""The ciphers of secure sums, from the package cryptography."""

from __future__ import annotations

import secrets

import numpy as np
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.ciphers.algorithms import ChaCha20
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

__all__ = ["agree", "decrypt", "encrypt", "expand", "new_secret", "public_key"]

KEY_BYTES, NONCE_BYTES = 32, 12


def new_secret() -> bytes:
    """Return random bytes: a seed, or a private key."""
    return secrets.token_bytes(KEY_BYTES)


def public_key(private: bytes) -> bytes:
    """Return the public key of a private key."""
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes_raw()


def agree(private: bytes, other: bytes, purpose: bytes) -> bytes:
    """Return the secret that the owners of a private and of another public key have in common."""
    shared = X25519PrivateKey.from_private_bytes(private).exchange(X25519PublicKey.from_public_bytes(other))
    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=purpose).derive(shared)


def expand(seed: bytes, size: int) -> np.ndarray:
    """Return the uniform integers of a seed, (size,), uint64."""
    stream = Cipher(ChaCha20(seed, bytes(16)), mode=None).encryptor()
    return np.frombuffer(stream.update(bytes(8 * size)), dtype=np.dtype("<u8")).astype(np.uint64, copy=False)


def encrypt(key: bytes, header: bytes, content: bytes) -> bytes:
    """Return an encrypted message; the header is not part of it, and must be the same for the receiver."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return nonce + ChaCha20Poly1305(key).encrypt(nonce, content, header)


def decrypt(key: bytes, header: bytes, message: bytes) -> bytes:
    """Return the content of an encrypted message."""
    return ChaCha20Poly1305(key).decrypt(message[:NONCE_BYTES], message[NONCE_BYTES:], header)
