"""An account in memory: what is made is there, what is not there is refused, and answers have AWS's members."""

import hashlib
from typing import Any

import pytest

from schemas import shapes
from schemas.docs import examples
from schemas.operations import (
    AUDIENCE_MODEL,
    CONFIGURED_AUDIENCE_MODEL,
    EXPORT_JOB,
    OPERATIONS,
    TRAINING_DATASET,
    Kind,
)
from schemas.testing.account import NOT_FOUND, Account, ApiError, kind_of

NOW = 1_700_000_000.0


def perform(account: Account, operation: str, **params: Any) -> dict[str, Any]:
    return account.answer(OPERATIONS[operation], params, NOW)


def test_a_resource_with_a_life_is_on_its_way_and_another_is_there_at_once() -> None:
    account = Account(number="111122223333", region="eu-central-1")
    model = account.create(OPERATIONS["CreateAudienceModel"], {"name": "m"}, NOW)
    dataset = account.create(OPERATIONS["CreateTrainingDataset"], {"name": "d"}, NOW)
    assert (model.status, dataset.status) == (AUDIENCE_MODEL.arriving[0], "ACTIVE")
    assert model.id.startswith("arn:aws:cleanrooms-ml:eu-central-1:111122223333:audience-model/")
    assert model.described()["audienceModelArn"] == model.id
    assert model.described()["createTime"] == "2023-11-14T22:13:20.000Z"
    assert account.find(model.id) is model


def test_what_has_no_arn_has_a_stable_id() -> None:
    account, row = Account(), OPERATIONS["StartAudienceExportJob"]
    one, other = (account.create(row, {"name": "e"}, NOW) for _ in range(2))
    assert one.id.startswith(f"{EXPORT_JOB.kind}/")
    assert one.id != other.id


def test_a_known_id_is_kept() -> None:
    account = Account()
    assert account.create(OPERATIONS["CreateAudienceModel"], {}, NOW, examples.MODEL).id == examples.MODEL


def test_what_is_not_there_is_refused() -> None:
    for operation in ("GetAudienceModel", "UpdateConfiguredAudienceModel"):
        row = OPERATIONS[operation]
        with pytest.raises(ApiError) as raised:
            Account().answer(row, {row.resource.identity: "arn:none"}, NOW)
        assert (raised.value.code, raised.value.http_status) == (NOT_FOUND, 404)
        assert "arn:none" in raised.value.message


def test_a_list_shows_one_kind_filtered_and_no_more_than_is_asked_for() -> None:
    account = Account()
    first = account.create(OPERATIONS["CreateConfiguredAudienceModel"], {"name": "c", "audienceModelArn": "a"}, NOW)
    for name in ("j1", "j2"):
        params = {"name": name, "configuredAudienceModelArn": first.id}
        account.create(OPERATIONS["StartAudienceGenerationJob"], params, NOW)

    def names(operation: str, **params: Any) -> list[str]:
        (summaries,) = perform(account, operation, **params).values()
        return [each["name"] for each in summaries]

    assert names("ListAudienceGenerationJobs", configuredAudienceModelArn=first.id) == ["j1", "j2"]
    assert names("ListAudienceGenerationJobs", configuredAudienceModelArn="b") == []
    assert names("ListAudienceGenerationJobs", maxResults=1) == ["j1"]
    assert names("ListConfiguredAudienceModels") == ["c"]


def test_updates_and_deletions_change_what_is_there() -> None:
    account = Account()
    made = account.provide(CONFIGURED_AUDIENCE_MODEL, examples.CONFIGURED, {"name": "c"}, "ACTIVE", NOW)
    perform(account, "UpdateConfiguredAudienceModel", configuredAudienceModelArn=made.id, description="new")
    assert perform(account, "GetConfiguredAudienceModel", configuredAudienceModelArn=made.id)["description"] == "new"
    assert perform(account, "DeleteConfiguredAudienceModel", configuredAudienceModelArn=made.id) == {}
    with pytest.raises(ApiError):
        account.find(made.id)


def test_a_policy_is_put_read_and_deleted() -> None:
    account = Account()
    arn = account.provide(CONFIGURED_AUDIENCE_MODEL, examples.CONFIGURED, {}, "ACTIVE", NOW).id
    name, policy = "configuredAudienceModelArn", '{"Version":"2012-10-17"}'
    put = perform(account, "PutConfiguredAudienceModelPolicy", **{name: arn, "configuredAudienceModelPolicy": policy})
    assert put["policyHash"] == hashlib.sha256(policy.encode()).hexdigest()
    read = perform(account, "GetConfiguredAudienceModelPolicy", **{name: arn})
    assert read["configuredAudienceModelPolicy"] == policy
    perform(account, "DeleteConfiguredAudienceModelPolicy", **{name: arn})
    with pytest.raises(ApiError, match="has no policy"):
        perform(account, "GetConfiguredAudienceModelPolicy", **{name: arn})


def test_tags_are_added_and_removed() -> None:
    account = Account()
    arn = account.provide(TRAINING_DATASET, examples.DATASET, {"tags": {"a": "1"}}, "ACTIVE", NOW).id
    perform(account, "TagResource", resourceArn=arn, tags={"b": "2", "a": "3"})
    assert perform(account, "ListTagsForResource", resourceArn=arn)["tags"] == {"a": "3", "b": "2"}
    perform(account, "UntagResource", resourceArn=arn, tagKeys=["a", "absent"])
    assert perform(account, "ListTagsForResource", resourceArn=arn)["tags"] == {"b": "2"}


def test_an_arn_names_its_kind() -> None:
    assert kind_of(examples.MODEL) is AUDIENCE_MODEL
    for wrong in ("", "arn:aws:s3:::bucket", "audience-export-job/X"):
        with pytest.raises(ValueError, match="is not the ARN"):
            kind_of(wrong)


def test_answers_have_the_members_that_awss_must_have() -> None:
    account = Account()
    for name, example in examples.COMMANDS.items():
        row = OPERATIONS.get(name)
        if row is None or row.kind not in {Kind.READ, Kind.WRITE} or row.creates:
            continue
        for invented in examples.MAKES.values():
            kind = next(one.resource for one in OPERATIONS.values() if f":{one.resource.arn_type}/" in invented)
            members = {"trainingDatasetArn": examples.DATASET, "audienceModelArn": examples.MODEL}
            account.provide(kind, invented, members | {"name": "n"}, "ACTIVE", 0.0)
            account.policies[invented] = "{}"
        answer = account.answer(row, example.data, 0.0)
        missing = set(shapes.required_output_members(name)) - answer.keys()
        # What belongs to creation, such as the columns of a data set, is whatever was given.
        assert missing <= _GIVEN, (name, missing)


_GIVEN = {
    "roleArn",
    "trainingData",
    "outputConfig",
    "sharedAudienceMetrics",
    "configuredAudienceModelArn",
    "tags",
}
