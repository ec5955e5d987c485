"""Readers of the SerDes, one module each: bytes of a file in, Arrow columns out.

What a reader makes of its input is what Athena's user guide and the SerDe's own documentation say;
`docs/sandbox/formats.md` lists it.
"""
