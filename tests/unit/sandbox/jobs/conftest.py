"""One moto for the room; each test has an empty account of its own in it."""

from tests.support.glue_and_s3 import cloud, server

__all__ = ["cloud", "server"]
