"""Values every file uses: arbitrary, and the same each time."""

from reference.crypto import sha256


def key(name: str) -> bytes:
    return sha256(f"key of {name}".encode())


def some_id(name: str) -> bytes:
    return sha256(f"id of {name}".encode())


def some_topic(name: str) -> bytes:
    return sha256(f"topic of {name}".encode())[:20]


def squares(length: int) -> bytes:
    """Byte i is i·i mod 251, so a long chunk needs no long file."""
    period = bytes(i * i % 251 for i in range(251))
    return (period * (length // 251 + 1))[:length]


def hexed(value):
    """The same with bytes as lower-case hexadecimal."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {name: hexed(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [hexed(one) for one in value]
    return value


def flipped(data: bytes, at: int) -> bytes:
    """The same with one bit changed; a negative `at` counts from the end."""
    changed = bytearray(data)
    changed[at] ^= 1
    return bytes(changed)
