"""derived.json and signal.json."""

from reference.crypto import seal_signal, sha256, signal_key, topic
from reference.signal import KINDS, context, encode

from .common import flipped, hexed, key, squares

SENDER = bytes.fromhex("0123456789abcdef")
RECEIVER = bytes.fromhex("00000000000000a7")


def derived() -> dict:
    link_keys = [bytes(32), key("link 0"), b"\xff" * 32]
    return {
        "keys": [
            {"linkKey": one, "topic": topic(one), "signalKey": signal_key(one)}
            for one in link_keys
        ]
    }


def signals() -> dict:
    link_key = key("link 0")
    cases = (
        ("OFFER", {"session": 1, "number": 1, "sdp": "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\n"}),
        ("ANSWER", {"session": 1, "number": 1, "sdp": "v=0\r\n"}),
        (
            "CANDIDATE",
            {
                "session": 1,
                "number": 2,
                "mline": 0,
                "mid": "0",
                "candidate": "candidate:1 1 UDP 2122 0a1b.local 50000 typ host",
            },
        ),
        ("CANDIDATE", {"session": 1, "number": 3, "mline": 65_535, "mid": "", "candidate": ""}),
        (
            "CIRCUIT",
            {"session": 0xFFFFFFFF, "number": 1, "message": squares(30)[:1] + squares(30)},
        ),
        ("BYE", {"session": 2, "number": 0xFFFFFFFF}),
    )
    out = [signal(link_key, name, fields) for name, fields in cases]
    return {"linkKey": link_key, "signals": out, "refused": refused(link_key, out[0])}


def signal(link_key: bytes, name: str, fields: dict) -> dict:
    fields = hexed(fields)
    room = topic(link_key)
    plain = encode(name, fields)
    nonce = sha256(plain)[:24]
    around = context(room, SENDER, RECEIVER)
    return {
        "name": name,
        "kind": KINDS[name],
        "fields": fields,
        "topic": room,
        "sender": SENDER,
        "receiver": RECEIVER,
        "context": around,
        "plain": plain,
        "nonce": nonce,
        "sealed": seal_signal(signal_key(link_key), nonce, around, plain),
    }


def refused(link_key: bytes, good: dict) -> list[dict]:
    right, sealed = good["context"], good["sealed"]
    back = context(topic(link_key), RECEIVER, SENDER)
    elsewhere = context(topic(key("another")), SENDER, RECEIVER)
    foreign = seal_signal(signal_key(key("another")), good["nonce"], right, good["plain"])
    cases = (
        ("turned around", back, sealed),
        ("in another room", elsewhere, sealed),
        ("sealed for another link", right, foreign),
        ("a bit of the nonce changed", right, flipped(sealed, 0)),
        ("a bit of the ciphertext changed", right, flipped(sealed, 24)),
        ("a bit of the tag changed", right, flipped(sealed, -1)),
        ("shorter than nonce and tag", right, sealed[:39]),
        ("nothing", right, b""),
    )
    return [{"name": name, "context": around, "sealed": data} for name, around, data in cases]
