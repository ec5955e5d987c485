"""A fleet as on a working afternoon: commands in every state, something for a person, two targets."""

from datetime import UTC, datetime
from typing import Any

from schemas.operations import COMMANDS as TABLE
from schemas.operations import Kind
from schemas.records import Command, Fault, Job, Phase, ResourceState
from service.runtime.group_snapshot import GroupSnapshot, Replica
from tests.support.fleet_scene import Scene
from tests.support.messages import CHANGES
from tests.support.messages import COMMANDS as TOPIC

ACCOUNTS = {"default": ("111122223333", "eu-west-1"), "sales": ("444455556666", "us-east-1")}
SECRET = "SELECT secret_column FROM people"  # what must never be shown


def arn(kind: str, name: str, account: str = "111122223333", region: str = "eu-west-1") -> str:
    return f"arn:aws:cleanrooms-ml:{region}:{account}:{kind}/{name}"


def job(now: float, command_id: str, operation: str, phase: Phase, age: float, **more: Any) -> Job:
    """A job that was accepted some seconds ago."""
    command = Command(
        command_id,
        more.pop("source", "/teams/marketing"),
        operation,
        more.pop("target", "default"),
        more.pop("params", {"name": more.pop("name", command_id), "sqlParameters": {"queryString": SECRET}}),
        "0" * 64,
        correlation_id=more.pop("correlation_id", ""),
        not_before=more.pop("not_before", 0.0),
    )
    fields: dict[str, Any] = {"accepted_at": now - age, "since": now - age, "arrived": now - age - 0.3, **more}
    return Job(command, phase, **fields)


def ended(now: float, command_id: str, operation: str, phase: Phase, age: float, took: float, **more: Any) -> Job:
    operation_row = TABLE[operation]
    resource = more.pop("resource_id", arn(operation_row.resource.arn_type or "job", command_id))
    reply: dict[str, Any] = {"attempts": 1, "durationSeconds": took}
    if phase is Phase.SUCCEEDED:
        created, updated = (datetime.fromtimestamp(now - age - each, UTC).isoformat() for each in (took, 0.0))
        reply["result"] = {"name": command_id, "createTime": created, "updateTime": updated}
    status = "ACTIVE" if phase is Phase.SUCCEEDED and operation_row.kind is Kind.JOB else ""
    return job(
        now,
        command_id,
        operation,
        phase,
        age + took,
        **{
            "params": {},
            "finished_at": now - age,
            "since": now - age,
            "resource_id": resource if phase is Phase.SUCCEEDED else "",
            "reply": reply,
            "status": status,
            **more,
        },
    )


def afternoon(scene: Scene) -> None:
    """Fills the scene."""
    now = scene.clock.wall()
    week = "weekly-2026-48"
    models = "CreateAudienceModel"
    same = {"correlation_id": "campaign-48"}
    running = [
        job(
            now,
            f"{week}-segment-{number}",
            models,
            Phase.RUNNING,
            age,
            **same,
            status="CREATE_IN_PROGRESS",
            resource_id=arn("audience-model", f"7c9e-{number}"),
            name=f"Segment {number}, autumn",
        )
        for number, age in ((0, 1620.0), (1, 1560.0))
    ]
    export = job(
        now,
        "order-7",
        "StartAudienceExportJob",
        Phase.INTENDED,
        190.0,
        retries=3,
        attempt=4,
        due=now + 16,
        source="/shop",
        name="order-7",
        fault=None,
    )
    waiting = [
        job(
            now,
            f"{week}-segment-{number}",
            models,
            Phase.QUEUED,
            1500.0 - 60 * number,
            **same,
            due=now + 41,
            reason="ConcurrencyLimit",
            name=f"Segment {number}, autumn",
        )
        for number in (2, 3, 4)
    ]
    later = job(
        now,
        "later-1",
        "CreateTrainingDataset",
        Phase.INTENDED,
        1620.0,
        due=now + 16_300.0,
        not_before=now + 16_300.0,
        reason="NotBefore",
        name="December purchases",
    )
    generation = job(
        now,
        "audience-autumn",
        "StartAudienceGenerationJob",
        Phase.RUNNING,
        420.0,
        source="/shop",
        status="CREATE_PENDING",
        resource_id=arn("audience-generation-job", "aa11"),
        name="Autumn lookalikes",
    )
    lost = job(
        now,
        "order-9",
        "CreateConfiguredAudienceModel",
        Phase.UNCERTAIN,
        95.0,
        due=now + 24,
        searches=2,
        source="/shop",
        name="Autumn, 1 to 20 percent",
        fault=Fault("ReadTimeout", "no answer within 10 s"),
    )
    parked = ended(
        now,
        "twice-1",
        "CreateTrainingDataset",
        Phase.PARKED,
        1860.0,
        120.0,
        source="/teams/op",
        fault=Fault("AmbiguousOutcome", "the call's outcome was lost and the search is ambiguous"),
        reply={"searched": "2 resources carry the marker"},
    )
    sales = job(
        now,
        "sales-eu-1",
        models,
        Phase.INTENDED,
        840.0,
        target="sales",
        retries=9,
        attempt=10,
        due=now + 12,
        source="/sales",
        name="Sales, west",
    )
    scene.put(running[0], waiting[0], waiting[2], later, parked, partition=0)
    scene.put(running[1], waiting[1], generation, lost, export, sales, partition=1)
    done = [
        ended(
            now,
            f"weekly-2026-47-segment-{number}",
            models,
            Phase.SUCCEEDED,
            3600.0 + 700 * number,
            2700.0 + 60 * number,
            correlation_id="campaign-47",
        )
        for number in range(5)
    ]
    made = [
        ended(now, f"data-{number}", "CreateTrainingDataset", Phase.SUCCEEDED, 900.0 * number + 300, 1.4)
        for number in range(6)
    ]
    failed = ended(
        now,
        "audience-summer",
        "StartAudienceGenerationJob",
        Phase.FAILED,
        2200.0,
        560.0,
        source="/shop",
        fault=Fault("CREATE_FAILED", "SEED_TOO_SMALL: too few rows", status_details={"statusCode": "SEED_TOO_SMALL"}),
    )
    rejected = ended(
        now,
        "typo-1",
        models,
        Phase.REJECTED,
        60.0,
        0.0,
        attempt=0,
        fault=Fault("ValidationFailed", "1 violation: trainingDatasetArn: names no training-dataset"),
    )
    for index, each in enumerate([*done, *made, failed, rejected]):
        scene.put(each, partition=index % 2)
    scene.put_resources(
        *(
            ResourceState(each.resource_id, "training-dataset", 1, "created", f"Purchases {index}", each.finished_at)
            for index, each in enumerate(made)
        ),
        ResourceState(
            running[0].resource_id, "audience-model", 2, "CREATE_IN_PROGRESS", "Segment 0, autumn", now - 1580
        ),
    )
    half = (
        [each for each in scene.partitions if each.partition == 0],
        [each for each in scene.partitions if each.partition],
    )
    scene.group = GroupSnapshot(
        "Stable",
        (Replica("crml-0", "", frozenset(half[0])), Replica("crml-1", "other", frozenset(half[1]))),
        dict.fromkeys(scene.partitions, 0),
        "",
        now - 4,
    )
    ok, silent = scene.health["default"], scene.health["sales"]
    ok.answered_at = ok.succeeded_at = now - 2
    ok.failed_at, ok.error, ok.operation, ok.http_status = now - 700, "ThrottlingException", "ListAudienceModels", 429
    silent.answered_at = silent.succeeded_at = now - 840
    silent.failed_at, silent.error, silent.operation = now - 5, "ConnectFailed", "CreateAudienceModel"
    silent.unanswered, silent.unanswered_since = 96, now - 830


__all__ = ["ACCOUNTS", "CHANGES", "SECRET", "TOPIC", "afternoon", "arn", "ended", "job"]
