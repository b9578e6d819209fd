"""What a peer signs to prove who it is."""

from .message import LAYOUTS, encode_fields

LABEL = b"samara handshake 1"
ROLES = {"dialer": 0, "dialed": 1}
TRANSPORTS = {"websocket": 0, "channel": 1, "circuit": 2}


def signed(role: str, dialer: dict, dialed: dict, binding: bytes) -> bytes:
    """The fields of HANDSHAKE are those of HANDSHAKE_ACK without its proof."""
    said = [encode_fields(LAYOUTS["HANDSHAKE"], one) for one in (dialer, dialed)]
    return LABEL + bytes([ROLES[role]]) + b"".join(said) + binding


def websocket() -> bytes:
    return bytes([TRANSPORTS["websocket"]])


def channel(dialer: bytes, dialed: bytes) -> bytes:
    """The SHA-256 fingerprints of both certificates."""
    return bytes([TRANSPORTS["channel"]]) + dialer + dialed


def circuit(topic: bytes, dialer: bytes, dialed: bytes, session: int) -> bytes:
    """The members' numbers, 8 bytes each."""
    numbers = dialer + dialed + session.to_bytes(4, "big")
    return bytes([TRANSPORTS["circuit"]]) + topic + numbers
