"""File entries: JSON to binary, and entries sealed behind a link."""

import base64
import json
import struct

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


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


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
