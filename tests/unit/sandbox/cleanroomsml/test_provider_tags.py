"""Tags: merged, limited in sum, and only on resources that have an ARN to the API."""

from typing import Any

import pytest

from sandbox.cleanroomsml.errors import AccessDenied, NotFound, ValidationError
from sandbox.cleanroomsml.operations import OPERATIONS
from tests.support.sandbox_account import World
from tests.support.sandbox_provider import OTHER, Provider


def test_tags_are_limited_in_sum(world: World) -> None:
    arn = world.dataset(tags={f"a{n}": "" for n in range(40)})
    with pytest.raises(world.ml.exceptions.ValidationException, match="at most 50 tags"):
        world.ml.tag_resource(resourceArn=arn, tags={f"b{n}": "" for n in range(11)})


def tags(provider: Provider, arn: str) -> dict[str, str]:
    result = provider.perform("ListTagsForResource", resourceArn=arn).result
    return dict(result["tags"])


def test_tags_are_merged_and_removed_by_key() -> None:
    provider = Provider()
    arn = provider.dataset().arn
    assert tags(provider, arn) == {}
    provider.perform("TagResource", resourceArn=arn, tags={"a": "1", "b": "2"})
    provider.perform("TagResource", resourceArn=arn, tags={"b": "3"})
    assert tags(provider, arn) == {"a": "1", "b": "3"}
    provider.perform("UntagResource", resourceArn=arn, tagKeys=["a", "never there"])
    assert tags(provider, arn) == {"b": "3"}


def test_fifty_tags_are_allowed_fifty_one_are_not_and_nothing_is_merged_then() -> None:
    provider = Provider()
    arn = provider.dataset(tags={f"k{n}": "" for n in range(49)}).arn
    provider.perform("TagResource", resourceArn=arn, tags={"k48": "again", "k49": ""})
    with pytest.raises(ValidationError, match="at most 50 tags"):
        provider.perform("TagResource", resourceArn=arn, tags={"k0": "changed", "k50": ""})
    assert len(tags(provider, arn)) == 50
    assert tags(provider, arn)["k0"] == ""


def test_a_reserved_prefix_is_refused() -> None:
    provider = Provider()
    arn = provider.dataset().arn
    with pytest.raises(ValidationError, match="reserved prefix"):
        provider.perform("TagResource", resourceArn=arn, tags={"aws:x": ""})
    assert tags(provider, arn) == {}


def test_the_tags_of_a_request_are_not_the_resources_own() -> None:
    """A client's mapping that changes later changes no resource."""
    provider = Provider()
    arn, sent = provider.dataset().arn, {"a": "1"}
    provider.perform("TagResource", resourceArn=arn, tags=sent)
    sent["a"] = "2"
    assert tags(provider, arn) == {"a": "1"}


@pytest.mark.parametrize(
    ("operation", "more"),
    [("TagResource", {"tags": {}}), ("UntagResource", {"tagKeys": []}), ("ListTagsForResource", {})],
)
def test_an_export_job_and_what_is_foreign_cannot_be_tagged(operation: str, more: dict[str, Any]) -> None:
    provider = Provider()
    job = provider.job(provider.configured())
    export = provider.export(job)
    with pytest.raises(ValidationError, match="'resourceArn'"):
        provider.perform(operation, resourceArn=export.arn, **more)
    with pytest.raises(NotFound):
        OPERATIONS[operation].verb(provider.context, provider.call(operation, resourceArn=export.arn, **more))
    with pytest.raises(AccessDenied):
        provider.perform(operation, resourceArn=job.arn, account=OTHER, **more)
