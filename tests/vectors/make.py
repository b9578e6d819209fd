#!/usr/bin/env python3
"""Writes the test vectors beside this script, or compares them (--check).

Needs Python 3.11 and the package `cryptography`.
"""

import json
import sys
from pathlib import Path

from cases.blob import blob, padding
from cases.common import hexed
from cases.entry import entries
from cases.link import entry_blobs, links
from cases.message import messages
from cases.possession import possession
from cases.proof import proofs
from cases.signal import derived, signals
from reference import crypto

FILES = {
    "blob.json": blob,
    "padding.json": padding,
    "entry.json": entries,
    "entry-blob.json": entry_blobs,
    "link.json": links,
    "derived.json": derived,
    "signal.json": signals,
    "message.json": messages,
    "possession.json": possession,
    "proof.json": proofs,
}


def main() -> int:
    crypto.check()
    only_compare = sys.argv[1:] == ["--check"]
    if sys.argv[1:] and not only_compare:
        print("usage: make.py [--check]", file=sys.stderr)
        return 2
    here = Path(__file__).parent
    stale = 0
    for name, make in FILES.items():
        text = json.dumps(hexed(make()), ensure_ascii=False, indent=2) + "\n"
        path = here / name
        if only_compare and (not path.exists() or path.read_text("utf-8") != text):
            print(f"{name} is not what make.py makes; run make.py", file=sys.stderr)
            stale += 1
        elif not only_compare:
            path.write_text(text, "utf-8")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
