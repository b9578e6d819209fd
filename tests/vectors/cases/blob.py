"""blob.json and padding.json."""

from reference.crypto import pad, padme, seal, sha256

from .common import flipped, key, squares

# A blob longer than this is given by its id alone.
SHOWN = 2048


def blob() -> dict:
    return {"chunks": chunks(), "refused": refused(), "ids": ids(), "refusedIds": refused_ids()}


def chunks() -> list[dict]:
    cases = (
        ("an empty chunk", 0),
        ("one byte", 1),
        ("a last chunk that is padded", 1001),
        ("the largest chunk", 1 << 20),
    )
    out = []
    for name, length in cases:
        sealed = seal(key(name), pad(squares(length)))
        case = {
            "name": name,
            "key": key(name),
            "length": length,
            "paddedLength": padme(length),
            "id": sha256(sealed),
        }
        if len(sealed) <= SHOWN:
            case["blob"] = sealed
        out.append(case)
    return out


def refused() -> list[dict]:
    good, right = seal(key("good"), b"a chunk"), key("good")
    cases = (
        ("another key", key("another"), good),
        ("a bit of the ciphertext changed", right, flipped(good, 0)),
        ("a bit of the tag changed", right, flipped(good, -1)),
        ("the last byte missing", right, good[:-1]),
        ("shorter than a tag", right, good[:15]),
        ("nothing", right, b""),
    )
    return [{"name": name, "key": k, "blob": data} for name, k, data in cases]


def ids() -> list[dict]:
    return [{"bytes": data, "id": sha256(data)} for data in (b"", b"abc", seal(key("good"), b""))]


def refused_ids() -> list[str]:
    good = sha256(b"").hex()
    return [good.upper(), good[:-1], good + "00", "0x" + good[2:], "g" + good[1:], ""]


def padding() -> dict:
    lengths = [0, 1, 2, 3, 7, 8, 9, 15, 16, 17, 100, 255, 256, 257, 1000, 1023, 1024, 1025]
    lengths += [4097, 10_000, 65_535, 65_537, 100_000, 524_289, 1_000_000, 1_048_575, 1_048_576]
    return {"lengths": [{"length": n, "paddedLength": padme(n)} for n in lengths]}
