"""Sealing, padding and derived values."""

import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def seal(key: bytes, chunk: bytes) -> bytes:
    """A blob: RFC 8439 §2.8, nonce of zeros, no associated data."""
    return ChaCha20Poly1305(key).encrypt(bytes(12), chunk, None)


def padme(length: int) -> int:
    """Nikitin et al. 2019, §4."""
    if length < 2:
        return length
    exponent = length.bit_length() - 1
    mantissa_bits = exponent.bit_length()
    low_bits = max(0, exponent - mantissa_bits)
    mask = (1 << low_bits) - 1
    return (length + mask) & ~mask


def pad(chunk: bytes) -> bytes:
    return chunk + bytes(padme(len(chunk)) - len(chunk))


def hkdf(secret: bytes, info: bytes, length: int) -> bytes:
    """RFC 5869 with SHA-256 and no salt, for at most 32 bytes."""
    extracted = hmac.new(bytes(32), secret, "sha256").digest()
    return hmac.new(extracted, info + b"\x01", "sha256").digest()[:length]


def topic(link_key: bytes) -> bytes:
    return hkdf(link_key, b"samara topic 1", 20)


def signal_key(link_key: bytes) -> bytes:
    return hkdf(link_key, b"samara signal 1", 32)


def seal_signal(key: bytes, nonce: bytes, context: bytes, plain: bytes) -> bytes:
    """XChaCha20-Poly1305 (draft-irtf-cfrg-xchacha-03): nonce, ciphertext, tag."""
    cipher = ChaCha20Poly1305(hchacha20(key, nonce[:16]))
    return nonce + cipher.encrypt(bytes(4) + nonce[16:], plain, context)


def public_key(secret: bytes) -> bytes:
    """RFC 8032 §5.1.5."""
    return Ed25519PrivateKey.from_private_bytes(secret).public_key().public_bytes_raw()


def sign(secret: bytes, message: bytes) -> bytes:
    """RFC 8032 §5.1.6."""
    return Ed25519PrivateKey.from_private_bytes(secret).sign(message)


def hchacha20(key: bytes, nonce: bytes) -> bytes:
    """draft-irtf-cfrg-xchacha-03 §2.2."""
    state = [0x61707865, 0x3320646E, 0x79622D32, 0x6B206574]
    state += struct.unpack("<8I", key) + struct.unpack("<4I", nonce)
    for _ in range(10):
        for column in range(4):
            quarter_round(state, column, column + 4, column + 8, column + 12)
        quarter_round(state, 0, 5, 10, 15)
        quarter_round(state, 1, 6, 11, 12)
        quarter_round(state, 2, 7, 8, 13)
        quarter_round(state, 3, 4, 9, 14)
    return struct.pack("<8I", *state[:4], *state[12:])


def quarter_round(state: list[int], a: int, b: int, c: int, d: int) -> None:
    for sum_of, plus, rotated, by in ((a, b, d, 16), (c, d, b, 12), (a, b, d, 8), (c, d, b, 7)):
        state[sum_of] = (state[sum_of] + state[plus]) & 0xFFFFFFFF
        mixed = state[rotated] ^ state[sum_of]
        state[rotated] = (mixed << by | mixed >> (32 - by)) & 0xFFFFFFFF


def check() -> None:
    """Published vectors for what no library here provides."""
    key = bytes(range(32))
    nonce = bytes.fromhex("000000090000004a0000000031415927")
    assert hchacha20(key, nonce).hex() == (
        "82413b4227b27bfed30e42508a877d73a0f9e4d58a74a853c12ec41326d3ecdc"
    ), "draft-irtf-cfrg-xchacha-03 §2.2.1"
    okm = hkdf(bytes([0x0B] * 22), b"", 32)
    assert okm.hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
    ), "RFC 5869 §A.3"
    assert [padme(n) for n in (0, 1, 9, 100, 1_000_000)] == [0, 1, 10, 104, 1_015_808]
