"""link.json and entry-blob.json."""

from reference.crypto import sha256
from reference.entry import base64url, payload, seal_entry

from .common import key, some_id
from .entry import entry

PAGE = "https://samara.example/"


def links() -> dict:
    good = payload(0, some_id("link"), key("link"))
    return {
        "page": PAGE,
        "links": [link(depth) for depth in (0, 1, 8)],
        "refused": refused(good),
    }


def link(depth: int) -> dict:
    name = f"link {depth}"
    text = payload(depth, some_id(name), key(name))
    return {
        "id": some_id(name),
        "key": key(name),
        "depth": depth,
        "text": "samara:" + text,
        "url": PAGE + "#" + text,
        "alsoRead": [
            text,
            f"  samara:{text}\n",
            f"http://localhost:8080/?lang=en#{text}",
        ],
    }


def refused(good: str) -> list[dict]:
    body = bytes([1, 0]) + some_id("link") + key("link")
    deep = payload(9, some_id("link"), key("link"))
    newer = payload(0, some_id("link"), key("link"), version=2)
    # 70 bytes leave 4 bits of the last character unused.
    loose = good[:-1] + chr(ord(good[-1]) + 1)
    cases = (
        ("nothing", "", "not-a-link"),
        ("a page without a link", PAGE, "not-a-link"),
        ("a page with an empty fragment", PAGE + "#", "not-a-link"),
        ("a file's name", "film.mp4", "not-a-link"),
        ("a path", "/home/somebody/film", "not-a-link"),
        ("words", "two words", "not-a-link"),
        ("a magnet link", "magnet:?xt=urn:btih:00", "not-a-link"),
        ("one word", "film", "length"),
        ("cut short", "samara:" + good[:-3], "length"),
        ("too long", PAGE + "#" + good + "A", "length"),
        ("nothing after the scheme", "samara:", "not-a-link"),
        ("a character mistyped", "samara:" + swapped(good, 40), "damaged"),
        ("the last character mistyped", "samara:" + swapped(good, 91), "damaged"),
        ("a character outside the alphabet", "samara:" + good[:-1] + "=", "damaged"),
        ("the other Base64 alphabet", good[:40] + "+" + good[41:], "damaged"),
        ("unused bits set", "samara:" + loose, "damaged"),
        ("a wrong checksum", base64url(body + sha256(body)[4:8]), "damaged"),
        ("deeper than any entry", "samara:" + deep, "damaged"),
        ("a later version", "samara:" + newer, "version"),
    )
    return [{"name": name, "text": text, "reason": reason} for name, text, reason in cases]


def swapped(text: str, at: int) -> str:
    return text[:at] + ("B" if text[at] == "A" else "A") + text[at + 1 :]


def entry_blobs() -> dict:
    cases = {
        "depth 0": entry("film.mp4", 3 << 20),
        "depth 0, with unknown fields": entry("film.mp4", 10, author="somebody"),
        "depth 1": entry("notes.txt", 20_000, "text/plain", 1024),
        "depth 2": entry("log.txt", 300_000, "text/plain", 1024),
    }
    return {
        "entries": [
            {"name": name, "entry": one, **seal_entry(one)} for name, one in cases.items()
        ]
    }
