"""proof.json: who proves what, and what proves nothing."""

from reference.crypto import public_key, sha256, sign
from reference.proof import channel, circuit, signed, websocket

from .common import flipped, hexed, key, some_topic

DIALER, DIALED, OTHER = key("dialer"), key("dialed"), key("somebody else")
SECRETS = {"dialer": DIALER, "dialed": DIALED}
CERTIFICATES = [sha256(name) for name in (b"dialer's certificate", b"dialed's certificate")]
BINDINGS = (
    ("websocket", websocket()),
    ("channel", channel(*CERTIFICATES)),
    ("circuit", circuit(some_topic("proof"), bytes([1] * 8), bytes([2] * 8), 0xFEDCBA98)),
)


def proofs() -> dict:
    cases = [proof(name, role, binding) for name, binding in BINDINGS for role in SECRETS]
    identities = [
        {"secret": secret, "peer": public_key(secret)} for secret in (DIALER, DIALED, bytes(32))
    ]
    return {"identities": identities, "proofs": cases, "refused": refused(cases)}


def said(secret: bytes, nonce: str) -> dict:
    return hexed(
        {
            "version": 1,
            "features": "0000000000000003",
            "peer": public_key(secret),
            "maxMessage": 65_536,
            "nonce": key(nonce),
        }
    )


def proof(name: str, role: str, binding: bytes) -> dict:
    dialer, dialed = said(DIALER, "dialer's nonce"), said(DIALED, "dialed's nonce")
    message = signed(role, dialer, dialed, binding)
    return {
        "name": f"of the {role}, {name}",
        "role": role,
        "secret": SECRETS[role],
        "dialer": dialer,
        "dialed": dialed,
        "binding": binding,
        "signed": message,
        "proof": sign(SECRETS[role], message),
    }


def refused(good: list[dict]) -> list[dict]:
    of_dialer, of_dialed = good[0], good[1]
    message = of_dialer["signed"]
    plain = sign(DIALER, message[len(b"samara handshake 1") :])
    neutral = bytes([1]) + bytes(31)
    cases = (
        ("a bit of R changed", of_dialer, {"proof": flipped(of_dialer["proof"], 0)}),
        ("a bit of S changed", of_dialer, {"proof": flipped(of_dialer["proof"], 32)}),
        ("S too large by the order", of_dialer, {"proof": overflowed(of_dialer["proof"])}),
        ("of the other role", of_dialer, {"proof": of_dialed["proof"]}),
        ("of somebody else", of_dialer, {"proof": sign(OTHER, message)}),
        ("without the label", of_dialer, {"proof": plain}),
        ("of another nonce", of_dialer, {"dialed": said(DIALED, "another nonce")}),
        ("to another peer", of_dialer, {"dialed": said(OTHER, "dialed's nonce")}),
        ("of another channel", good[2], {"binding": channel(*reversed(CERTIFICATES))}),
        ("of another transport", good[2], {"binding": websocket()}),
        (
            "by a key of small order",
            of_dialer,
            {
                "dialer": of_dialer["dialer"] | {"peer": neutral.hex()},
                "proof": neutral + bytes(32),
            },
        ),
        (
            "by what is no point of the curve",
            of_dialer,
            {"dialer": of_dialer["dialer"] | {"peer": (bytes([2]) + bytes(31)).hex()}},
        ),
    )
    fields = ("role", "dialer", "dialed", "binding", "proof")
    return [
        {"name": name} | {field: (case | change)[field] for field in fields}
        for name, case, change in cases
    ]


def overflowed(signature: bytes) -> bytes:
    """S + L means the same to whoever does not look (RFC 8032 §5.1.7)."""
    order = 2**252 + 27742317777372353535851937790883648493
    scalar = int.from_bytes(signature[32:], "little") + order
    return signature[:32] + scalar.to_bytes(32, "little")
