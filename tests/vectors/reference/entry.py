"""File entries: JSON to binary, and entries sealed behind a link."""

import base64
import json
import struct
from decimal import Decimal

from .crypto import hkdf, pad, seal, sha256

KNOWN = ("version", "name", "size", "mimeType", "chunkSize", "chunks", "binaryFields")


def field(tag: int, value: bytes) -> bytes:
    return struct.pack(">BI", tag, len(value)) + value


def envelope(body: bytes, version: int = 1) -> bytes:
    return struct.pack(">BI", version, len(body)) + body


def fields_of(entry: dict) -> list[tuple[int, bytes]]:
    chunks = b"".join(
        bytes.fromhex(chunk["id"]) + bytes.fromhex(chunk["key"]) for chunk in entry["chunks"]
    )
    fields = [
        (1, entry["name"].encode()),
        (2, struct.pack(">Q", entry["size"])),
        (3, entry["mimeType"].encode()),
        (4, struct.pack(">I", entry["chunkSize"])),
        (5, chunks),
    ]
    unknown = {name: value for name, value in entry.items() if name not in KNOWN}
    if unknown:
        fields.append((6, compact(unknown).encode()))
    unknown = entry.get("binaryFields", {})
    fields += sorted((int(tag), bytes.fromhex(value)) for tag, value in unknown.items())
    return fields


def read(text: str) -> dict:
    """JSON with numbers as they are: an integer beyond 64 bits is a double."""
    return json.loads(text, parse_int=whole)


def whole(text: str) -> int | float:
    exact = text != "-0" and -(1 << 63) <= int(text) < 1 << 64
    return int(text) if exact else float(text)


def compact(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{compact(name)}:{compact(value[name])}" for name in sorted(value))
        return "{" + ",".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(compact, value)) + "]"
    if isinstance(value, float):
        return double(value)
    return json.dumps(value, ensure_ascii=False)


def double(value: float) -> str:
    """The fewest digits that read back as the same, always with `.` or `e`."""
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, minus = "".join(map(str, digits)), "-" if sign else ""
    # Digits before the decimal point.
    whole_len = len(digits) + exponent if value else 1
    if not -5 < whole_len <= 16:
        rest = f".{digits[1:]}" if digits[1:] else ""
        return f"{minus}{digits[0]}{rest}e{whole_len - 1:+}"
    digits = "0" * (1 - whole_len) + digits
    whole_len = max(1, whole_len)
    digits = digits.ljust(whole_len + 1, "0")
    return f"{minus}{digits[:whole_len]}.{digits[whole_len:]}"


def binary(entry: dict) -> bytes:
    return envelope(b"".join(field(*one) for one in fields_of(entry)))


def sealed_chunk(key: bytes, plain: bytes) -> dict:
    blob = seal(key, pad(plain))
    return {"id": sha256(blob), "key": key, "blob": blob}


def seal_entry(entry: dict) -> dict:
    """The layers between the file's own entry and its link, inner first."""
    chunk_size = entry["chunkSize"]
    data = binary(entry)
    layers = []
    while len(data) > chunk_size:
        secret = sha256(data)
        plains = [data[at : at + chunk_size] for at in range(0, len(data), chunk_size)]
        chunks = [
            sealed_chunk(hkdf(secret, b"samara entry chunk 1" + struct.pack(">I", i), 32), plain)
            for i, plain in enumerate(plains)
        ]
        layers.append({"binary": data, "secret": secret, "chunks": chunks})
        data = binary(
            {
                "name": "entry",
                "size": len(data),
                "mimeType": "application/x-samara-entry",
                "chunkSize": chunk_size,
                "chunks": [{"id": c["id"].hex(), "key": c["key"].hex()} for c in chunks],
            }
        )
    secret = sha256(data)
    top = sealed_chunk(hkdf(secret, b"samara entry blob 1", 32), data)
    top = {"binary": data, "secret": secret, **top}
    link = payload(len(layers), top["id"], top["key"])
    return {"depth": len(layers), "layers": layers, "entryBlob": top, "link": "samara:" + link}


def payload(depth: int, blob_id: bytes, key: bytes, version: int = 1) -> str:
    """A link without `samara:` or page."""
    body = bytes([version, depth]) + blob_id + key
    return base64url(body + sha256(body)[:4])


def base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
