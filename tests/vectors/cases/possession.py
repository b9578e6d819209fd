"""possession.json: what proves that a peer holds a blob."""

from reference.crypto import sha256

from .common import key, some_id, squares

LABEL = b"samara possession 1"


def possession() -> list[dict]:
    """Each of a blob that is the first bytes of the squares."""
    cases = (("an empty blob", 0), ("a short blob", 40), ("a whole blob", 1_048_592))
    return [evidence(name, length) for name, length in cases]


def evidence(name: str, length: int) -> dict:
    nonce, prover = key(f"nonce of {name}"), some_id(f"prover of {name}")
    return {
        "name": name,
        "nonce": nonce,
        "prover": prover,
        "length": length,
        "evidence": sha256(LABEL + nonce + prover + squares(length)),
    }
