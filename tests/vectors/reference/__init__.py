"""The formats of docs/protocol.md, written a second time from that text.

Slow and plain on purpose, and sharing nothing with the product's code: what
both agree on is what the specification says.
"""
