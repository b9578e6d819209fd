"""Messages into bytes: one type byte, then big-endian fields."""

import struct

TYPES = {
    "HANDSHAKE": 0,
    "HANDSHAKE_ACK": 1,
    "REQUEST": 2,
    "RESPONSE": 3,
    "HAVE": 4,
    "HAVE_BITS": 4,
    "WANT": 5,
    "NOT_FOUND": 6,
    "ERROR": 7,
    "PART": 8,
    "CANCEL": 9,
    "PROOF": 10,
    "CHALLENGE": 12,
    "POSSESSION": 13,
    "JOIN": 16,
    "LEAVE": 17,
    "MEMBERS": 18,
    "JOINED": 19,
    "LEFT": 20,
    "SIGNAL": 21,
    "SOURCES": 22,
    "ICE_SERVERS": 23,
    "FORWARD": 24,
    "TAKEN": 25,
}

# Field name, then how it is written, in the order on the wire.
LAYOUTS = {
    "HANDSHAKE": (
        ("version", "u16"),
        ("features", "hex"),
        ("peer", "hex"),
        ("maxMessage", "u32"),
        ("nonce", "hex"),
    ),
    "REQUEST": (("request", "u32"), ("blob", "hex")),
    "RESPONSE": (("request", "u32"), ("blob", "hex"), ("data", "hex")),
    "HAVE": (("form", "u8"), ("blobs", (("blob", "hex"), ("length", "u32")))),
    "HAVE_BITS": (("form", "u8"), ("topic", "hex"), ("first", "u32"), ("bits", "hex")),
    "WANT": (("blobs", (("blob", "hex"), ("hops", "i8"))),),
    "ERROR": (("request", "u32"), ("code", "u16"), ("text", "text")),
    "PART": (("request", "u32"), ("offset", "u32"), ("total", "u32"), ("data", "hex")),
    "CANCEL": (("request", "u32"),),
    "CHALLENGE": (("request", "u32"), ("blob", "hex"), ("nonce", "hex")),
    "POSSESSION": (("request", "u32"), ("evidence", "hex")),
    "JOIN": (("topic", "hex"), ("reach", "u8")),
    "LEAVE": (("topic", "hex"),),
    "MEMBERS": (
        ("topic", "hex"),
        ("you", "hex"),
        ("members", (("member", "hex"), ("reach", "u8"))),
    ),
    "JOINED": (("topic", "hex"), ("member", "hex"), ("reach", "u8")),
    "LEFT": (("topic", "hex"), ("member", "hex")),
    "SIGNAL": (("topic", "hex"), ("member", "hex"), ("sealed", "hex")),
    "SOURCES": (("topic", "hex"), ("addresses", "texts")),
    "ICE_SERVERS": (
        ("lifetime", "u32"),
        ("servers", (("url", "short"), ("username", "short"), ("credential", "short"))),
    ),
    "FORWARD": (("topic", "hex"), ("from", "hex"), ("to", "hex"), ("sealed", "hex")),
    "TAKEN": (("topic", "hex"), ("from", "hex"), ("bytes", "u32")),
}
LAYOUTS["HANDSHAKE_ACK"] = (*LAYOUTS["HANDSHAKE"], ("proof", "hex"))
LAYOUTS["PROOF"] = (("proof", "hex"),)
LAYOUTS["NOT_FOUND"] = LAYOUTS["REQUEST"]

NUMBERS = {"u8": ">B", "i8": ">b", "u16": ">H", "u32": ">I"}


def encode(name: str, fields: dict) -> bytes:
    return bytes([TYPES[name]]) + encode_fields(LAYOUTS[name], fields)


def encode_fields(layout: tuple, fields: dict) -> bytes:
    return b"".join(encode_field(how, fields[field]) for field, how in layout)


def encode_field(how: str | tuple, value) -> bytes:
    if isinstance(how, tuple):
        return b"".join(encode_fields(how, one) for one in value)
    if how == "hex":
        return bytes.fromhex(value)
    if how == "text":
        return value.encode()
    if how == "short":
        return short_text(value)
    if how == "texts":
        return b"".join(short_text(text) for text in value)
    return struct.pack(NUMBERS[how], value)


def short_text(text: str) -> bytes:
    """A length byte, then the text."""
    return bytes([len(text.encode())]) + text.encode()
