"""What differs between changelog and AWS, and what of it is safe to mend."""

import msgspec
import pytest

from schemas.operations import OPERATIONS, RESOURCES, Kind
from schemas.records import Job, Phase, ResourceState
from service.core.job import marker, replace
from service.core.marker import stable_id, stamp
from service.operator.repair.changelog_snapshot import ChangelogSnapshot, Corrupt
from service.operator.repair.drift import (
    Candidate,
    Drift,
    DriftKind,
    Inventory,
    candidates,
    compare,
    listings_wanted,
)
from service.runtime.ports import TopicPartition
from tests.support import builders
from tests.support.builders import NOW
from tests.support.repair_records import held

CREATE, EXPORT, TAG = (OPERATIONS[name] for name in ("CreateAudienceModel", "StartAudienceExportJob", "TagResource"))
ARN = builders.arn(CREATE)
TOKEN = "0123456789ABCDEFGHJKMNPQRS"
SETTLE = 360.0
NOTHING: Inventory = {("main", kind): [] for kind, row in RESOURCES.items() if row.list_operation}


def differences(*jobs: Job, inventory: Inventory, resources: tuple[ResourceState, ...] = ()) -> list[Drift]:
    ledger = ChangelogSnapshot([held(job) for job in jobs], {(one.kind, one.id): one for one in resources})
    return list(compare(ledger, {**NOTHING, **inventory}, NOW, SETTLE))


def models(*summaries: dict[str, object]) -> Inventory:
    return {("main", "audience-model"): list(summaries)}


def summary(token: str = TOKEN, arn: str = ARN, status: str = "ACTIVE") -> dict[str, object]:
    return {"audienceModelArn": arn, "name": "spring", "status": status, **stamp({}, token)}


def test_agreement_is_silent() -> None:
    running = builders.job(CREATE, Phase.RUNNING, resource_id=ARN)
    assert differences(running, inventory=models(summary(marker(running.command)))) == []
    assert differences(inventory=models({"audienceModelArn": ARN, "status": "ACTIVE", "description": "by hand"})) == []


def test_an_orphan_is_tracked() -> None:
    (found,) = differences(inventory=models(summary()))
    assert (found.what, found.subject) == (DriftKind.ORPHAN, ARN)
    assert found.repair is not None
    assert (found.repair.kind, found.repair.data, found.repair.held) == (Kind.TRACK, {"resourceArn": ARN}, None)


def test_a_resource_whose_command_was_forgotten_is_no_orphan() -> None:
    """Commands are forgotten after the retention, what they have made is remembered by its last event."""
    known = ResourceState(ARN, "audience-model", 4, "ACTIVE")
    assert differences(inventory=models(summary()), resources=(known,)) == []
    (found,) = differences(inventory=models(summary(status="CREATE_FAILED")), resources=(known,))
    assert found.what is DriftKind.ORPHAN


def test_a_second_resource_with_the_marker_of_a_command_that_has_ended_is_for_a_person() -> None:
    done = builders.job(CREATE, Phase.SUCCEEDED, resource_id=ARN)
    twin = summary(marker(done.command), f"{ARN}-twin")
    (found,) = differences(done, inventory=models(summary(marker(done.command)), twin))
    assert (found.what, found.subject, found.repair) == (DriftKind.SURPLUS, f"{ARN}-twin", None)
    assert f"has ended as succeeded and has made {ARN}" in found.text
    refused = builders.job(CREATE, Phase.FAILED)
    (found,) = differences(refused, inventory=models(summary(marker(refused.command))))
    assert (found.what, found.repair) == (DriftKind.SURPLUS, None)
    assert "has ended as failed and has made nothing" in found.text


@pytest.mark.parametrize("phase", [Phase.INTENDED, Phase.UNCERTAIN, Phase.QUEUED])
def test_what_a_command_under_way_may_have_made_is_its_own_affair(phase: Phase) -> None:
    job = builders.job(CREATE, phase)
    found = differences(job, inventory=models(summary(marker(job.command))))
    assert [one.what for one in found if one.what is DriftKind.SURPLUS] == []


def test_an_orphan_is_not_tracked_while_a_record_cannot_be_read() -> None:
    ledger = ChangelogSnapshot(corrupt=[Corrupt(TopicPartition("jobs", 0), 7, b"key", "not a changelog record")])
    (found,) = compare(ledger, {**NOTHING, **models(summary())}, NOW, SETTLE)
    assert (found.what, found.repair) == (DriftKind.ORPHAN, None)
    assert "can't be read may be its command's" in found.text


def test_an_orphan_listed_on_two_targets_is_one() -> None:
    both = {**models(summary()), ("other", "audience-model"): [summary()]}
    assert len(differences(inventory=both)) == 1


def test_an_orphaned_export_cannot_be_tracked() -> None:
    inventory: Inventory = {("main", "audience-export-job"): [{"name": "e", "status": "ACTIVE", **stamp({}, TOKEN)}]}
    (found,) = differences(inventory=inventory)
    assert found.repair is None
    assert "no ARN" in found.text


def test_the_only_resource_with_the_marker_is_adopted() -> None:
    job = builders.job(CREATE, Phase.PARKED)
    (found,) = differences(job, inventory=models(summary(marker(job.command))))
    assert found.repair is not None
    assert found.repair.data == {
        "commandId": "c-1",
        "commandSource": "/shop",
        "resolution": "adopt",
        "resourceArn": ARN,
    }
    assert found.repair.held == held(job)


def test_an_export_is_adopted_without_an_arn() -> None:
    job = builders.job(EXPORT, Phase.PARKED)
    listed = {"name": "e", "status": "ACTIVE", **stamp({}, marker(job.command))}
    (found,) = differences(job, inventory={("main", "audience-export-job"): [listed]})
    assert found.repair is not None
    assert "resourceArn" not in found.repair.data
    assert stable_id(EXPORT.resource, marker(job.command)) in found.text


@pytest.mark.parametrize(
    ("count", "why"), [(0, "no audience-model carries its marker"), (2, "2 resources carry its marker")]
)
def test_none_or_several_are_for_a_person(count: int, why: str) -> None:
    job = builders.job(CREATE, Phase.PARKED, fault=builders.TIMEOUT)
    listed = [summary(marker(job.command), f"{ARN}-{number}") for number in range(count)]
    (found,) = differences(job, inventory=models(*listed))
    assert found.repair is None
    assert why in found.text
    assert "ReadTimeout" in found.text


def test_what_leaves_no_marker_is_for_a_person() -> None:
    (found,) = differences(builders.job(TAG, Phase.PARKED), inventory={})
    assert found.repair is None
    assert "no marker" in found.text


def test_a_failed_listing_is_told_and_nothing_is_concluded_from_it() -> None:
    jobs = [builders.job(CREATE, Phase.PARKED), builders.job(CREATE, Phase.RUNNING, resource_id=ARN)]
    found = differences(*jobs, inventory={("main", "audience-model"): "AccessDeniedException: no"})
    assert [one.what for one in found] == [DriftKind.UNLISTED, DriftKind.PARKED]
    assert all(one.repair is None for one in found)


@pytest.mark.parametrize(
    "job",
    [
        builders.job(CREATE, Phase.RUNNING, resource_id=ARN),
        builders.job(EXPORT, Phase.ACCEPTED),
    ],
)
def test_a_resource_that_is_gone_is_told_by_the_service_itself(job: Job) -> None:
    (found,) = differences(job, inventory={})
    assert (found.what, found.repair) == (DriftKind.GONE, None)


@pytest.mark.parametrize(("age", "count"), [(SETTLE, 0), (3 * SETTLE, 0), (3 * SETTLE + 1, 1)])
def test_a_fate_open_for_too_long_is_told(age: float, count: int) -> None:
    found = differences(builders.job(CREATE, Phase.UNCERTAIN, since=NOW - age), inventory={})
    assert [one.what for one in found] == [DriftKind.UNCERTAIN] * count


@pytest.mark.parametrize("published", ["created", "updated", "ACTIVE"])
def test_what_has_no_lifecycle_is_known_once_it_was_published(published: str) -> None:
    arn = builders.arn(OPERATIONS["CreateTrainingDataset"])
    listed = {"trainingDatasetArn": arn, "name": "spring", "status": "ACTIVE", **stamp({}, TOKEN)}
    inventory: Inventory = {("main", "training-dataset"): [listed]}
    assert differences(inventory=inventory, resources=(ResourceState(arn, "training-dataset", 1, published),)) == []
    (gone,) = differences(inventory=inventory, resources=(ResourceState(arn, "training-dataset", 2, "deleted"),))
    assert gone.what is DriftKind.ORPHAN


@pytest.mark.parametrize("phase", [Phase.RUNNING, Phase.ACCEPTED, Phase.UNCERTAIN, Phase.INTENDED, Phase.QUEUED])
def test_an_open_job_of_a_removed_target_is_reported_as_not_compared(phase: Phase) -> None:
    job = builders.job(CREATE, phase, resource_id=ARN if phase is Phase.RUNNING else "")
    gone = replace(job, command=replace(job.command, target="gone"))
    (found,) = differences(gone, inventory={})
    assert (found.what, found.subject, found.repair) == (DriftKind.NO_TARGET, "c-1", None)
    assert "not compared: its target gone is not in these settings" in found.text
    assert (f"{ARN}, goes on at AWS" in found.text) == (phase is Phase.RUNNING)


PARKED = builders.job(CREATE, Phase.PARKED)
"""A creation whose search was ambiguous."""


def test_candidates_are_what_carries_the_marker_oldest_first() -> None:
    token = marker(PARKED.command)
    late = {**summary(token, f"{ARN}2"), "createTime": "2026-11-27T14:01:00Z"}
    early = {**summary(token, f"{ARN}3", status="CREATE_FAILED"), "createTime": "2026-11-27T14:00:59Z"}
    inventory = {**NOTHING, **models(summary(token), late, early, summary(TOKEN, f"{ARN}4"))}
    assert [(each.identity, each.status) for each in _known(PARKED, inventory)] == [
        (f"{ARN}3", "CREATE_FAILED"),
        (f"{ARN}2", "ACTIVE"),
        (ARN, "ACTIVE"),
    ]
    assert candidates(PARKED, NOTHING) == []


def test_what_a_command_is_known_to_have_made_is_a_candidate_without_a_marker() -> None:
    made = replace(PARKED, resource_id=ARN)
    inventory = {**NOTHING, **models({"audienceModelArn": ARN, "name": "n", "status": "ACTIVE"})}
    assert candidates(made, inventory) == [Candidate(ARN, "n", "ACTIVE", None)]


def test_what_a_command_was_about_is_a_candidate() -> None:
    delete = OPERATIONS["DeleteAudienceModel"]
    job = builders.job(delete, Phase.PARKED, command=builders.command(delete, params={"audienceModelArn": ARN}))
    inventory = {**NOTHING, **models(summary(), summary(arn=f"{ARN}2"))}
    assert [each.identity for each in _known(job, inventory)] == [ARN]


def test_an_export_has_a_candidate_without_an_arn() -> None:
    job = builders.job(EXPORT, Phase.PARKED)
    token = marker(job.command)
    listed: Inventory = {("main", "audience-export-job"): [{"name": "e", "status": "ACTIVE", **stamp({}, token)}]}
    assert [each.identity for each in _known(job, {**NOTHING, **listed})] == [stable_id(EXPORT.resource, token)]


@pytest.mark.parametrize(
    ("inventory", "said"),
    [
        ({("main", "audience-model"): "Timeout: slow"}, "AWS could not be asked: Timeout: slow"),
        ({("main", "training-dataset"): []}, "AWS has no list of audience-model"),
        ({}, "target main is not in these settings, or has nothing to list"),
    ],
)
def test_why_candidates_are_unknown(inventory: Inventory, said: str) -> None:
    assert candidates(PARKED, inventory) == said


def test_a_command_of_a_newer_release_has_no_candidates() -> None:
    newer = replace(PARKED, command=msgspec.structs.replace(PARKED.command, operation="CreateMiracle"))
    assert candidates(newer, NOTHING) == "this release does not know CreateMiracle"
    assert listings_wanted([newer], ["main"]) == set()


def test_only_what_parked_commands_are_about_is_listed() -> None:
    policy = builders.job(OPERATIONS["PutConfiguredAudienceModelPolicy"], Phase.PARKED)
    assert listings_wanted([PARKED, PARKED, policy], ["main"]) == {("main", "audience-model")}
    assert listings_wanted([PARKED], ["other"]) == set()


def _known(job: Job, inventory: Inventory) -> list[Candidate]:
    found = candidates(job, inventory)
    assert not isinstance(found, str)
    return found
