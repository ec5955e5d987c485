"""Who needs a cluster, and what is left of it afterwards."""

import os
from collections.abc import Iterator

import pytest

from tests.chart.cluster import Cluster, require_cluster


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A fresh namespace with the world in it; kept when CHART_KEEP is set."""
    require_cluster()
    made = Cluster()
    made.prepare()
    yield made
    capture = request.config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        print(f"\nin the cluster, seconds: {made.timings}")  # noqa: T201 - the figures are a result
    if not os.environ.get("CHART_KEEP"):
        made.remove()
