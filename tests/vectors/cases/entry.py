"""entry.json: the two forms of an entry."""

import json
import struct

from reference.entry import binary, compact, envelope, field, fields_of, read

from .common import key, some_id


def chunk_list(name: str, count: int) -> list[dict]:
    names = [f"{name} {index}" for index in range(count)]
    return [{"id": some_id(one).hex(), "key": key(one).hex()} for one in names]


def entry(name: str, size: int, mime: str = "video/mp4", chunk_size: int = 1 << 20, **more) -> dict:
    count = max(1, -(-size // chunk_size))
    return {
        "version": 1,
        "name": name,
        "size": size,
        "mimeType": mime,
        "chunkSize": chunk_size,
        "chunks": chunk_list(name, count),
        **more,
    }


POSTER = {"width": 640, "alt": 'A "big" tree\n', "at": [0.5, -3, None, True], "élan": {"b": 1, "a": 2}}


def entries() -> dict:
    cases = {
        "one chunk": entry("film.mp4", 1_000_000),
        "three chunks, the last of one byte": entry("film.mp4", (2 << 20) + 1),
        "an empty file": entry("empty", 0, "application/octet-stream"),
        "a name that is not ASCII": entry("Дерево 木 🌳.txt", 10, "text/plain; charset=utf-8"),
        "the smallest chunks": entry("notes", 3000, "text/plain", 1024),
        "the longest name": entry("n" * 255, 10),
        "fields of a later JSON form": entry("film.mp4", 10, poster=POSTER, author="somebody"),
        "fields of a later binary form": entry(
            "film.mp4", 10, binaryFields={"255": "", "128": "6e6577"}
        ),
        "fields of both": entry("film.mp4", 10, binaryFields={"200": "00ff"}, language="sw"),
    }
    return {
        "entries": [
            {"name": name, "entry": one, "binary": binary(one)} for name, one in cases.items()
        ],
        "texts": texts(),
        "longTexts": long_texts(),
        "refusedJson": refused_json(),
        "refusedBinary": refused_binary(),
    }


# Objects and lists inside each other, the entry's own object included.
DEEPEST = 127


def nested(levels: int) -> str:
    return "[" * (levels - 1) + "]" * (levels - 1)


def texts() -> list[dict]:
    """Unknown fields whose text some JSON writers change."""
    fields = (
        ("whole numbers", "[0, -1, 18446744073709551615, -9223372036854775808]"),
        ("whole numbers beyond 64 bits", "[18446744073709551616, -9223372036854775809, -0]"),
        ("doubles", "[1.0, 1E2, 0.1, 2.50, -0.0, 123456.789e3, 5e-324, 1.7976931348623157e308]"),
        ("doubles about to be written with an exponent", "[1e15, 1e16, 1e-5, 1e-6, 1.5e-7, 1.5e22]"),
        ("the deepest nesting", nested(DEEPEST)),
        ("escapes", r'"\u0041\/\u00e9\u007f\u001F\b\f\n\r\t\"\\\ud83c\udf33"'),
        ("names out of order", '{"b": {}, "a": [], "\\u00e9": 1, "Z": 2, "\uffff": 3, "\U0001f333": 4}'),
    )
    good = json.dumps(entry("film.mp4", 10))
    out = []
    for name, value in fields:
        text = f'{{"later": {value}, {good[1:]}'
        out.append({"name": name, "text": text, "binary": binary(read(text))})
    return out


# Bytes of the unknown fields' one text.
LONGEST = 65_536


def long_texts() -> list[dict]:
    """Unknown fields about as long as they may be, in both forms around a repeated text."""
    cases = (
        ("one field as long as may be", "y", {}, LONGEST),
        ("one field a byte longer", "y", {}, LONGEST + 1),
        ("two fields as long as may be", "y", {"first": "x" * 100}, LONGEST),
        ("two fields, together a byte longer", "y", {"first": "x" * 100}, LONGEST + 1),
        ("as long as may be in letters of two bytes", "é", {}, LONGEST),
        ("a letter of two bytes too many", "é", {}, LONGEST + 2),
    )
    good = json.dumps(entry("film.mp4", 10))
    out = []
    for name, letter, others, length in cases:
        bare = len(compact({**others, "later": ""}).encode())
        count, rest = divmod(length - bare, len(letter.encode()))
        assert rest == 0, name
        repeat = letter * count
        text = f'{json.dumps({**others, "later": repeat}, ensure_ascii=False)[:-1]}, {good[1:]}'
        case = {
            "name": name,
            "repeated": letter,
            "times": count,
            "text": around(text, repeat),
            "binary": around(binary(read(text)), repeat.encode()),
        }
        out.append({**case, "reason": "too-long"} if length > LONGEST else case)
    return out


def around(whole: str | bytes, middle: str | bytes) -> list:
    before, after = whole.split(middle)
    return [before, after]


def repeated() -> dict:
    """Only the last of three chunks has an id of its own."""
    one = entry("film.mp4", (2 << 20) + 1)
    first, second, third = one["chunks"]
    return {**one, "chunks": [first, {**second, "id": first["id"]}, third]}


REPEATED = repeated()


def refused_json() -> list[dict]:
    good = entry("film.mp4", 10)
    chunk = good["chunks"][0]
    out = [
        {"name": "not JSON", "text": "{", "reason": "syntax"},
        {"name": "no object", "text": "[]", "reason": "missing", "field": "version"},
        {
            "name": "nested too deeply",
            "text": f'{{"later": {nested(DEEPEST + 1)}, {json.dumps(good)[1:]}',
            "reason": "syntax",
        },
    ]
    for name in good:
        less = {other: value for other, value in good.items() if other != name}
        out.append(refusal(f"no {name}", less, "missing", name))
    wrong = (
        ("version", 2, "newer"),
        ("version", "1", "invalid"),
        ("name", "", "invalid"),
        ("name", "..", "invalid"),
        ("name", "../film.mp4", "invalid"),
        ("name", "a\\b", "invalid"),
        ("name", "a\u0085b", "invalid"),
        ("name", "é" * 128, "invalid"),
        ("name", 7, "invalid"),
        ("size", -1, "invalid"),
        ("size", 1.5, "invalid"),
        ("size", "10", "invalid"),
        ("size", 1 << 53, "invalid"),
        ("size", (1 << 20) + 1, "chunk-count"),
        ("mimeType", "video", "invalid"),
        ("mimeType", "vidéo/mp4", "invalid"),
        ("chunkSize", 1000, "invalid"),
        ("chunkSize", 512, "invalid"),
        ("chunkSize", 1 << 21, "invalid"),
        ("chunks", {}, "invalid"),
        ("chunks", [], "chunk-count"),
        ("chunks", [chunk, chunk], "chunk-count"),
        ("chunks", [{"id": chunk["id"]}], "invalid-chunk"),
        ("chunks", [{**chunk, "size": 10}], "invalid-chunk"),
        ("chunks", [{**chunk, "key": chunk["key"].upper()}], "invalid-chunk"),
        ("chunks", [{**chunk, "id": chunk["id"][2:]}], "invalid-chunk"),
        ("binaryFields", {"127": "00"}, "invalid"),
        ("binaryFields", {"256": "00"}, "invalid"),
        ("binaryFields", {"200": "0"}, "invalid"),
        ("binaryFields", [], "invalid"),
    )
    for index, (name, value, reason) in enumerate(wrong):
        out.append(refusal(f"wrong {name} ({index})", {**good, name: value}, reason, name))
    return [*out, refusal("one blob for two chunks", REPEATED, "repeated-chunk", "chunks")]


def refusal(name: str, wrong: dict, reason: str, of: str) -> dict:
    out = {"name": name, "text": json.dumps(wrong, ensure_ascii=False), "reason": reason}
    return {**out, "field": of} if reason in ("missing", "invalid") else out


def refused_binary() -> list[dict]:
    good = fields_of(entry("film.mp4", 10))
    name, size, mime, chunk_size, chunks = good

    def made(*fields: tuple[int, bytes]) -> bytes:
        return envelope(b"".join(field(*one) for one in fields))

    whole = made(*good)
    cases = (
        ("nothing", b"", "damaged"),
        ("the last byte missing", whole[:-1], "damaged"),
        ("a field longer than the entry", whole[:6] + b"\xff\xff\xff\xff" + whole[10:], "damaged"),
        ("padding that is not zeros", whole + b"\x00\x01", "damaged"),
        ("a later version", envelope(whole[5:], version=2), "newer"),
        ("a field that may not be ignored", made(*good, (127, b"")), "newer"),
        ("tags out of order", made(size, name, mime, chunk_size, chunks), "damaged"),
        ("a tag twice", made(name, name, size, mime, chunk_size, chunks), "damaged"),
        ("tag 0", made((0, b""), *good), "damaged"),
        ("a size of 7 bytes", made(name, (2, bytes(7)), mime, chunk_size, chunks), "damaged"),
        ("a name that is not UTF-8", made((1, b"\xff"), size, mime, chunk_size, chunks), "damaged"),
        ("half a chunk", made(name, size, mime, chunk_size, (5, chunks[1][:-1])), "damaged"),
        ("a wrong chunk size", made(name, size, mime, (4, b"\0\0\x03\xe8"), chunks), "damaged"),
        ("a chunk too many", made(name, size, mime, chunk_size, (5, chunks[1] * 2)), "chunk-count"),
        ("one blob for two chunks", binary(REPEATED), "repeated-chunk"),
        ("JSON fields that are none", made(*good, (6, b"{}")), "damaged"),
        ("JSON fields with a space", made(*good, (6, b'{"a": 1}')), "damaged"),
        ("JSON fields out of order", made(*good, (6, b'{"b":1,"a":2}')), "damaged"),
        ("a JSON field twice", made(*good, (6, b'{"a":1,"a":1}')), "damaged"),
        ("a known field among them", made(*good, (6, b'{"name":"x"}')), "damaged"),
    )
    out = [{"name": n, "binary": data, "reason": reason} for n, data, reason in cases]
    out += [
        {"name": f"no {of}", "binary": made(*less), "reason": "missing", "field": of}
        for of, less in (
            ("name", good[1:]),
            ("size", good[:1] + good[2:]),
            ("mimeType", good[:2] + good[3:]),
            ("chunkSize", good[:3] + good[4:]),
            ("chunks", good[:4]),
        )
    ]
    too_large = struct.pack(">Q", 1 << 53)
    wrong = (
        ("name", made((1, b"a/b"), *good[1:])),
        ("size", made(name, (2, too_large), *good[2:])),
        ("mimeType", made(name, size, (3, b"video"), *good[3:])),
    )
    return out + [
        {"name": f"wrong {of}", "binary": data, "reason": "invalid", "field": of}
        for of, data in wrong
    ]
