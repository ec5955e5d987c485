"""A fleet as on a working afternoon: commands in every state, something for a person, two targets."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from schemas.operations import COMMANDS as TABLE
from schemas.operations import Kind
from schemas.records import Command, Fault, Job, Phase, ResourceState
from service.adapters.clock import SystemClock
from service.core.reachability import Reachability
from service.runtime.group_snapshot import GroupSnapshot, Replica
from tests.support.fleet_scene import Scene

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


class PlayedClock(SystemClock):
    """The system's clock, set to an earlier or later time while the example is played."""

    def __init__(self) -> None:
        self.ahead = 0.0
        super().__init__()

    def now(self) -> float:
        return super().now() + self.ahead

    def wall(self) -> float:
        return super().wall() + self.ahead


def replica() -> Scene:
    """The replica on whose page all of it is seen, since three days."""
    clock = PlayedClock()
    clock.ahead = -3 * 86_400.0
    scene = Scene(clock, accounts=ACCOUNTS)
    clock.ahead = 0.0
    play(scene, clock)
    return scene


def play(scene: Scene, clock: PlayedClock) -> None:
    """Everything that has happened, in order."""
    now = clock.wall()
    history = [*_ended(now), *_campaign(now), *_others(now)]
    for at, each, partition in sorted(history, key=lambda step: step[0]):
        clock.ahead = at - now
        scene.put(each, partition=partition)
    clock.ahead = 0.0
    _resources(scene, now)
    _fleet(scene, now)


Step = tuple[float, Job, int]


def _campaign(now: float) -> Iterator[Step]:
    """Five models are trained, two at a time."""
    week, model = "weekly-2026-48", "CreateAudienceModel"
    for number in range(5):
        age = 1620.0 - 60 * number
        params: dict[str, Any] = {"name": f"Segment {number}, autumn", "correlation_id": "campaign-48"}
        command = f"{week}-segment-{number}"
        partition = number % 2
        yield now - age, job(now, command, model, Phase.INTENDED, age, **params), partition
        if number > 1:
            waits = {"due": now + 41, "reason": "ConcurrencyLimit"}
            yield now - age + 0.4, job(now, command, model, Phase.QUEUED, age, **params, **waits), partition
            continue
        params |= {"resource_id": arn("audience-model", f"7c9e-{number}"), "told": 2}
        yield now - age + 0.6, job(now, command, model, Phase.RUNNING, age, **params), partition
        for after, status in ((15.0, "CREATE_PENDING"), (75.0, "CREATE_IN_PROGRESS")):
            seen = {**params, "status": status}
            yield now - age + after, job(now, command, model, Phase.RUNNING, age, **seen), partition


def _others(now: float) -> Iterator[Step]:
    """What other teams do."""
    ambiguous = Fault("AmbiguousOutcome", "the call's outcome was lost and the search is ambiguous")
    twice = {"source": "/teams/op", "fault": ambiguous, "reply": {"searched": "2 resources carry the marker"}}
    generation = {"status": "CREATE_PENDING", "resource_id": arn("audience-generation-job", "aa11")}
    lost = Fault("ReadTimeout", "no answer within 10 s")
    start = now + 16_300.0
    later = {"due": start, "not_before": start, "reason": "NotBefore", "name": "December purchases"}
    tried = {"retries": 3, "attempt": 4, "due": now + 16, "source": "/shop"}
    unsure = {"due": now + 24, "searches": 2, "source": "/shop", "name": "Autumn, 1 to 20 percent", "fault": lost}
    silent = {"target": "sales", "retries": 9, "attempt": 10, "due": now + 12, "source": "/sales"}
    created, configured = "CreateTrainingDataset", "CreateConfiguredAudienceModel"
    model, generate, export = "CreateAudienceModel", "StartAudienceGenerationJob", "StartAudienceExportJob"
    uncertain = {"source": "/teams/op"}
    yield now - 1980, job(now, "twice-1", created, Phase.INTENDED, 1980.0, **uncertain), 0
    yield now - 1968, job(now, "twice-1", created, Phase.UNCERTAIN, 1980.0, **uncertain, fault=lost), 0
    yield now - 1860, ended(now, "twice-1", created, Phase.PARKED, 1860.0, 120.0, **twice), 0
    yield now - 1620, job(now, "later-1", created, Phase.INTENDED, 1620.0, **later), 0
    yield now - 420, job(now, "autumn", generate, Phase.RUNNING, 420.0, **generation, source="/shop"), 1
    yield now - 190, job(now, "order-7", export, Phase.INTENDED, 190.0, **tried), 1
    yield now - 95, job(now, "order-9", configured, Phase.UNCERTAIN, 95.0, **unsure), 1
    yield now - 840, job(now, "sales-eu-1", model, Phase.INTENDED, 840.0, **silent, name="Sales, west"), 1


def _ended(now: float) -> Iterator[Step]:
    """What is done."""
    small = {"statusCode": "SEED_TOO_SMALL"}
    failed = Fault("CREATE_FAILED", "SEED_TOO_SMALL: too few rows", status_details=small)
    invalid = Fault("ValidationFailed", "1 violation: trainingDatasetArn: names no training-dataset")
    model, generate, created = "CreateAudienceModel", "StartAudienceGenerationJob", "CreateTrainingDataset"
    for number in range(5):
        age, command = 3600.0 + 700 * number, f"weekly-2026-47-segment-{number}"
        correlated = {"correlation_id": "campaign-47"}
        took = 2700.0 + 60 * number
        yield now - age, ended(now, command, model, Phase.SUCCEEDED, age, took, **correlated), number % 2
    for number in range(6):
        age = 900.0 * number + 300
        yield now - age, ended(now, f"data-{number}", created, Phase.SUCCEEDED, age, 1.4), number % 2
    summer = ended(now, "summer", generate, Phase.FAILED, 2200.0, 560.0, source="/shop", fault=failed)
    yield now - 2200, summer, 1
    yield now - 60, ended(now, "typo-1", model, Phase.REJECTED, 60.0, 0.0, attempt=0, fault=invalid), 0


def _resources(scene: Scene, now: float) -> None:
    model = arn("audience-model", "7c9e-0")
    scene.put_resources(
        ResourceState(model, "audience-model", 2, "CREATE_IN_PROGRESS", "Segment 0, autumn", now - 1545)
    )
    for number in range(6):
        dataset = arn("training-dataset", f"data-{number}")
        scene.put_resources(ResourceState(dataset, "training-dataset", 1, "created", f"Sales {number}", now - 300))


def _fleet(scene: Scene, now: float) -> None:
    """Who owns what, and how the targets are."""
    mine = frozenset(each for each in scene.partitions if each.partition == 0)
    others = frozenset(scene.partitions) - mine
    replicas = (Replica("crml-0", "", mine), Replica("crml-1", "other", others))
    scene.group = GroupSnapshot("Stable", replicas, dict.fromkeys(scene.partitions, 0), "", now - 4)
    healthy, silent = scene.health["default"], scene.health["sales"]
    healthy.answered_at = healthy.succeeded_at = now - 2
    healthy.failed_at, healthy.error, healthy.http_status = now - 700, "ThrottlingException", 429
    healthy.operation = "ListAudienceModels"
    silent.answered_at = silent.succeeded_at = now - 840
    silent.failed_at, silent.error, silent.operation = now - 5, "ConnectFailed", "CreateAudienceModel"
    clock = scene.clock.monotonic()
    silent.reachability = Reachability(tries=96, since=clock - 840, last=clock - 5, code="ConnectFailed")
