"""One sandbox process for all clients: signatures are checked, each client has an account and a key pair."""

from collections.abc import Iterator

import pytest

from tests.clients.harness import serve_options
from tests.unit.sandbox.test_serve import served


@pytest.fixture(scope="session")
def served_url() -> Iterator[str]:
    with served(*serve_options()) as (_process, url):
        yield url
