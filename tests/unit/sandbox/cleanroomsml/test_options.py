"""Options that change what is refused."""

from collections.abc import Iterator

import pytest

from sandbox.cleanroomsml.assumptions import Assumptions
from sandbox.cleanroomsml.options import Options, Quotas, Timing
from sandbox.embedded import running_sandbox
from tests.support.sandbox_account import World


@pytest.fixture(scope="module")
def strict() -> Iterator[World]:
    options = Options(
        timing=Timing(0.01, 0.01),
        assume=Assumptions(unique_names="all"),
        quotas=Quotas(exports_per_generation_job=1),
        jobs_module="tests.support.quick_jobs",
    )
    with running_sandbox(options) as url:
        world = World(url, "123456789012")
        yield world
        world.close()


def test_every_kind_refuses_a_taken_name_and_exports_are_counted_per_job(strict: World) -> None:
    refused = strict.ml.exceptions.ConflictException
    model = strict.active_model()
    with pytest.raises(refused):
        strict.model(strict.dataset(name="d2"))
    configured = strict.configured(model)
    with pytest.raises(refused):
        strict.configured(model)
    job = strict.job(configured, strict.put_seed())
    strict.until_job(job)
    strict.export(job)
    with pytest.raises(refused):
        strict.export(job)
    strict.until_export(job)
    with pytest.raises(strict.ml.exceptions.ServiceQuotaExceededException) as error:
        strict.export(job, name="e2")
    assert error.value.response["quotaValue"] == 1
