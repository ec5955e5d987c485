"""One fortress, and one sandbox, for the room."""

from collections.abc import Iterator

import pytest

from tests.acceptance.conftest import number, sandbox_url, world
from tests.secured.fortress import Fortress, running_fortress

__all__ = ["number", "sandbox_url", "world"]


@pytest.fixture(scope="session")
def fortress(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fortress]:
    with running_fortress(tmp_path_factory.mktemp("fortress")) as fortress:
        yield fortress
