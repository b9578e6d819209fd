"""message.json: every message, and bytes that are none."""

from reference.crypto import public_key
from reference.message import TYPES, encode

from .common import hexed, key, some_id, some_topic, squares

BLOB = some_id("message").hex()
OTHER = some_id("other message").hex()
TOPIC = some_topic("message").hex()
# No message is read for whether a proof holds; proof.json is about that.
PROOF = squares(64).hex()
MEMBER = "0123456789abcdef"
OTHER_MEMBER = "fedcba9876543210"
STUN = {"url": "stun::3478", "username": "", "credential": ""}
TURN = {
    "url": "turn:turn.example:3478?transport=tcp",
    "username": "1790000000:0123456789abcdef",
    "credential": "mCbGEu8E1sMtJcMZ0c7wGG8ybpI=",
}


def handshake(features: str, longest: int) -> dict:
    return {
        "version": 1,
        "features": features,
        "peer": public_key(key("peer")).hex(),
        "maxMessage": longest,
        "nonce": key("nonce").hex(),
    }


def answer(features: str, longest: int) -> dict:
    return handshake(features, longest) | {"proof": PROOF}


def messages() -> dict:
    cases = (
        ("HANDSHAKE", "of a browser", handshake("0000000000000003", 262_144)),
        ("HANDSHAKE", "with bits of a later version", handshake("800000000000000f", 4096)),
        ("HANDSHAKE_ACK", "of a relay", answer("000000000000000f", 1_048_704)),
        ("REQUEST", "", {"request": 1, "blob": BLOB}),
        ("RESPONSE", "", {"request": 1, "blob": BLOB, "data": squares(40)}),
        ("RESPONSE", "of nothing", {"request": 0xFFFFFFFF, "blob": BLOB, "data": ""}),
        ("HAVE", "of nothing", {"form": 0, "blobs": []}),
        ("HAVE", "of two blobs", {"form": 0, "blobs": [held(BLOB, 1_048_592), held(OTHER, 16)]}),
        ("HAVE_BITS", "", {"form": 1, "topic": TOPIC, "first": 8, "bits": "a5c0"}),
        ("WANT", "of nothing", {"blobs": []}),
        ("WANT", "of two blobs", {"blobs": [wanted(BLOB, -1), wanted(OTHER, -2)]}),
        ("WANT", "taken back", {"blobs": [wanted(BLOB, 0)]}),
        ("WANT", "that nobody is to pass on", {"blobs": [wanted(BLOB, -128)]}),
        ("NOT_FOUND", "", {"request": 7, "blob": BLOB}),
        ("ERROR", "of a request", {"request": 7, "code": 5, "text": "wrong blob"}),
        ("ERROR", "of the connection", {"request": 0, "code": 65_535, "text": ""}),
        ("ERROR", "with the longest text", {"request": 0, "code": 1, "text": "é" * 128}),
        ("PART", "first", {"request": 7, "offset": 0, "total": 1_048_592, "data": squares(20)}),
        ("PART", "last", {"request": 7, "offset": 1_048_591, "total": 1_048_592, "data": "ff"}),
        ("CANCEL", "", {"request": 7}),
        ("PROOF", "", {"proof": PROOF}),
        ("CHALLENGE", "", {"request": 7, "blob": BLOB, "nonce": key("nonce").hex()}),
        ("POSSESSION", "", {"request": 7, "evidence": some_id("evidence").hex()}),
        ("JOIN", "", {"topic": TOPIC, "reach": 1}),
        ("JOIN", "by circuit only", {"topic": TOPIC, "reach": 0}),
        ("LEAVE", "", {"topic": TOPIC}),
        ("MEMBERS", "of an empty room", {"topic": TOPIC, "you": MEMBER, "members": []}),
        (
            "MEMBERS",
            "two others",
            {"topic": TOPIC, "you": MEMBER, "members": [there(OTHER_MEMBER, 1), there("0" * 16, 0)]},
        ),
        ("JOINED", "", {"topic": TOPIC, "member": OTHER_MEMBER, "reach": 1}),
        ("LEFT", "", {"topic": TOPIC, "member": OTHER_MEMBER}),
        ("SIGNAL", "", {"topic": TOPIC, "member": OTHER_MEMBER, "sealed": squares(45)}),
        ("SOURCES", "none", {"topic": TOPIC, "addresses": []}),
        ("SOURCES", "", {"topic": TOPIC, "addresses": ["192.0.2.7:4000", "[2001:db8::7]:80"]}),
        ("SOURCES", "as many as may be", {"topic": TOPIC, "addresses": addresses(256)}),
        ("ICE_SERVERS", "none", {"lifetime": 0, "servers": []}),
        ("ICE_SERVERS", "", {"lifetime": 3600, "servers": [STUN, TURN]}),
        ("ICE_SERVERS", "as many as may be", {"lifetime": 60, "servers": [TURN] * 16}),
        ("FORWARD", "", forwarded(squares(45))),
        ("FORWARD", "of nothing", forwarded("")),
        ("TAKEN", "", {"topic": TOPIC, "from": MEMBER, "bytes": 65_600}),
    )
    return {
        "messages": [
            {
                "name": f"{name} {detail}".strip(),
                "type": TYPES[name],
                "fields": hexed(fields),
                "bytes": encode(name, hexed(fields)),
            }
            for name, detail, fields in cases
        ],
        "refused": refused(),
    }


def addresses(count: int) -> list[str]:
    return [f"192.0.2.7:{port}" for port in range(1, count + 1)]


def held(blob: str, length: int) -> dict:
    return {"blob": blob, "length": length}


def wanted(blob: str, hops: int) -> dict:
    return {"blob": blob, "hops": hops}


def forwarded(sealed: bytes | str) -> dict:
    return {"topic": TOPIC, "from": MEMBER, "to": OTHER_MEMBER, "sealed": sealed}


def there(member: str, reach: int) -> dict:
    return {"member": member, "reach": reach}


def refused() -> list[dict]:
    ack = encode("HANDSHAKE_ACK", answer("00" * 8, 4096))
    have = encode("HAVE", {"form": 0, "blobs": [held(BLOB, 16)]})
    want = encode("WANT", {"blobs": [wanted(BLOB, -1)]})
    request = encode("REQUEST", {"request": 1, "blob": BLOB})
    error = encode("ERROR", {"request": 1, "code": 1, "text": "e" * 256})
    members = encode("MEMBERS", {"topic": TOPIC, "you": MEMBER, "members": [there(MEMBER, 1)]})
    sources = encode("SOURCES", {"topic": TOPIC, "addresses": ["192.0.2.7:4000"]})
    servers = encode("ICE_SERVERS", {"lifetime": 60, "servers": [TURN]})
    cases = (
        ("nothing", b"", "truncated"),
        ("a type between the two protocols", b"\x0b", "unknown-type"),
        ("a type above both", b"\xff" + bytes(40), "unknown-type"),
        ("HANDSHAKE cut short", encode("HANDSHAKE", handshake("00" * 8, 4096))[:-1], "truncated"),
        ("HANDSHAKE with more", encode("HANDSHAKE", handshake("00" * 8, 4096)) + b"\0", "range"),
        ("HANDSHAKE_ACK without its proof", ack[:-64], "truncated"),
        ("HANDSHAKE_ACK with more", ack + b"\0", "range"),
        ("PROOF cut short", b"\x0a" + bytes(63), "truncated"),
        ("PROOF with more", b"\x0a" + bytes(65), "range"),
        ("REQUEST without a blob", request[:5], "truncated"),
        ("REQUEST with more", request + b"\0", "range"),
        ("RESPONSE without its whole blob id", b"\x03" + request[1:36], "truncated"),
        ("HAVE without a form", b"\x04", "truncated"),
        ("HAVE of an unknown form", b"\x04\x02", "range"),
        ("HAVE as bits without a first chunk", b"\x04\x01" + bytes(23), "truncated"),
        ("HAVE of a blob of no length", have[:-4] + bytes(4), "range"),
        ("HAVE cut short", have[:-1], "truncated"),
        ("WANT of a blob that is held", want[:-1] + b"\x01", "range"),
        ("WANT cut short", want[:-1], "truncated"),
        ("ERROR with too long a text", error + b"e", "range"),
        ("ERROR with a text that is not UTF-8", error[:7] + b"\xff", "range"),
        ("PART cut short in its header", b"\x08" + bytes(11), "truncated"),
        ("CANCEL with more", b"\x09" + bytes(5), "range"),
        ("JOIN without reach", b"\x10" + bytes(20), "truncated"),
        ("LEAVE with more", b"\x11" + bytes(21), "range"),
        ("MEMBERS cut short", members[:-1], "truncated"),
        ("SIGNAL without a member", b"\x15" + bytes(20), "truncated"),
        (
            "SOURCES with an address too many",
            encode("SOURCES", {"topic": TOPIC, "addresses": addresses(257)}),
            "range",
        ),
        ("SOURCES with an address cut short", sources[:-1], "truncated"),
        ("SOURCES with an address that is not UTF-8", sources[:-1] + b"\xff", "range"),
        ("ICE_SERVERS without a lifetime", servers[:4], "truncated"),
        ("ICE_SERVERS with a server cut short", servers[:-1], "truncated"),
        ("ICE_SERVERS with a credential that is not UTF-8", servers[:-1] + b"\xff", "range"),
        (
            "ICE_SERVERS with a server too many",
            encode("ICE_SERVERS", {"lifetime": 60, "servers": [STUN] * 17}),
            "range",
        ),
        ("FORWARD without a receiver", b"\x18" + bytes(28), "truncated"),
        ("TAKEN with more", b"\x19" + bytes(33), "range"),
    )
    return [{"name": name, "bytes": data, "reason": reason} for name, data, reason in cases]
