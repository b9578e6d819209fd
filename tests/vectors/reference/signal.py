"""What members of a room say to each other, before sealing."""

import struct

from .message import short_text

KINDS = {"OFFER": 1, "ANSWER": 2, "CANDIDATE": 3, "CIRCUIT": 4, "BYE": 5}


def encode(name: str, fields: dict) -> bytes:
    head = struct.pack(">BII", KINDS[name], fields["session"], fields["number"])
    if name in ("OFFER", "ANSWER"):
        return head + fields["sdp"].encode()
    if name == "CANDIDATE":
        mline, mid = struct.pack(">H", fields["mline"]), short_text(fields["mid"])
        return head + mline + mid + fields["candidate"].encode()
    if name == "CIRCUIT":
        return head + bytes.fromhex(fields["message"])
    return head


def context(topic: bytes, sender: bytes, receiver: bytes) -> bytes:
    """20, 8 and 8 bytes: authenticated with every signal, not sent."""
    return topic + sender + receiver
