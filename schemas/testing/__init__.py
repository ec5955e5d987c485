"""The test kit: what other teams need to test their publishers and subscribers without AWS and without us.

- :func:`command` builds a valid command; :func:`parse` reads and checks what the service publishes.
- :class:`Twin` is the service's contract in memory: feed it commands, move a job on by hand, read replies and events.
- ``Twin.client()`` is the client that publishers use, without Kafka.
- The module ``plugin`` is a pytest plugin which gives tests a twin and its client, or the real service on a real Kafka
  with the sandbox where that is installed.
"""

from .building import InvalidCommandError, command
from .reading import ContractError, Published, assert_ended, assert_numbered, parse, terminal
from .twin import Twin

__all__ = [
    "ContractError",
    "InvalidCommandError",
    "Published",
    "Twin",
    "assert_ended",
    "assert_numbered",
    "command",
    "parse",
    "terminal",
]
