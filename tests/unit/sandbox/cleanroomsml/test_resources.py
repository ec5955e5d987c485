"""A resource: its ARN, its changes, and the two views of a cross-account job."""

from datetime import UTC, datetime

from sandbox.cleanroomsml import resources
from sandbox.cleanroomsml.resources import ACTIVE, GENERATION, IN_PROGRESS, KINDS, PENDING, Resource

OLD = datetime(2020, 1, 1, tzinfo=UTC)


def made(account: str = "111122223333", **more: object) -> Resource:
    attributes = {"name": "g", "status": PENDING, "createTime": OLD, "updateTime": OLD, **more}
    return Resource(GENERATION, account, "eu-west-1", "id", 1, attributes)


def test_an_arn_says_region_account_kind_and_identity() -> None:
    assert made().arn == "arn:aws:cleanrooms-ml:eu-west-1:111122223333:audience-generation-job/id"


def test_what_a_resource_says_of_itself() -> None:
    resource = made(configuredAudienceModelArn="arn:x")
    assert (resource.name, resource.status, resource.created) == ("g", PENDING, OLD)
    assert resource.parent_arn == "arn:x"
    assert made().parent_arn is None, "SQL or another reading leaves the parent out"
    root = Resource(resources.DATASET, "111122223333", "eu-west-1", "id", 1, {"configuredAudienceModelArn": "arn:x"})
    assert root.parent_arn is None, "a training dataset is made from nothing"


def test_a_change_touches_the_time_and_keeps_each_status_once() -> None:
    resource = made()
    before = datetime.now(UTC)
    resource.change(status=IN_PROGRESS)
    resource.change(status=IN_PROGRESS, description="same status")
    resource.change(description="no status")
    resource.change(status=ACTIVE)
    assert [status for status, _ in resource.history] == [IN_PROGRESS, ACTIVE]
    times = [at for _, at in resource.history]
    assert before <= times[0] <= times[1] == resource.attributes["updateTime"]
    assert resource.created == OLD
    assert resource.attributes["description"] == "no status"


def test_a_change_is_seen_in_both_views_and_each_keeps_its_own_history() -> None:
    job, view = made(), made("444455556666", name="other")
    job.twin, view.twin = view, job
    assert job.views == (job, view)
    assert made().views[1:] == ()
    view.attributes["status"] = ACTIVE
    job.change(status=ACTIVE, metrics={"recallMetric": 1})
    assert job.attributes["metrics"] == view.attributes["metrics"]
    assert job.attributes["updateTime"] == view.attributes["updateTime"]
    assert (job.name, view.name) == ("g", "other")
    assert ([status for status, _ in job.history], view.history) == ([ACTIVE], [])


def test_resources_are_equal_only_to_themselves() -> None:
    one = made()
    assert one == one
    assert one != made()


def test_kinds_are_a_chain_from_the_dataset_to_the_export() -> None:
    chain = [KINDS["training-dataset"]]
    while following := [each for each in KINDS.values() if each.parent == chain[-1].identity]:
        chain += following
    assert [each.name for each in chain] == list(KINDS)


def test_a_status_belongs_to_one_phase() -> None:
    """What runs is neither deletable nor being deleted: each verb decides by these sets alone."""
    phases = (resources.RUNNING, resources.REMOVING, resources.DELETABLE)
    assert sum(len(each) for each in phases) == len(frozenset().union(*phases))
