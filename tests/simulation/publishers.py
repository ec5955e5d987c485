"""What publishers send: good commands, copies, misuse, nonsense, and what people decide about others' commands."""

import asyncio
import json
from typing import Any

from schemas.operations import OPERATIONS
from schemas.records import Phase
from tests.simulation.day import CREATES, OTHERS, Day, action
from tests.simulation.families import Family
from tests.support.messages import command, request

KEYS = ("one", "other")


def _attributes(day: Day, *, creating: bool = False) -> dict[str, str]:
    """Extensions and the key, as far as this day has them."""
    drawn: dict[str, str] = {}
    random = day.random
    timed = 0.35 if day.has(Family.TIMES) else 0.1 * creating
    draw = random.random()
    if draw < timed:
        drawn["deadline"] = day.moment(0.1 if day.has(Family.TIMES) else 1.0, 60.0)
    elif draw < 2 * timed:
        drawn["notbefore"] = day.moment(1.0, 60.0)
    if day.has(Family.TIMES) and random.random() < 0.2:
        drawn["until"] = day.moment(60.0, 600.0)
    if random.random() < (0.7 if day.has(Family.ORDER) else 0.3):
        drawn["key"] = random.choice(KEYS)
    if random.random() < 0.2:
        drawn["priority"] = str(random.randrange(10))
    if len(day.names) > 1 and random.random() < 0.4:
        drawn["target"] = random.choice([name for name in day.names if name != "default"])
    if day.has(Family.TENANTS) and random.random() < 0.4:
        drawn["tenant"] = "blue"
    if day.has(Family.REPLY_TOPICS) and random.random() < 0.4:
        drawn["replyto"] = "other.replies"
    return drawn


@action(20)
async def create(day: Day) -> None:
    day.send(day.random.choice(CREATES), **_attributes(day, creating=True))


@action(10)
async def other_command(day: Day) -> None:
    day.send(day.random.choice(OTHERS), **_attributes(day))


@action(5)
async def delete(day: Day) -> None:
    if day.spare:
        operation, arn = day.spare.pop(day.random.randrange(len(day.spare)))
        _delete(day, operation, arn, **(_attributes(day) | {"target": ""}))


def _delete(day: Day, operation: str, arn: str, **attributes: str) -> str:
    kept = {name: value for name, value in attributes.items() if value}
    return day.publish(operation, request(operation, **{OPERATIONS[operation].resource.identity: arn}), **kept)


@action(8, Family.ORDER)
async def create_then_delete(day: Day) -> None:
    """Two writes of one key: made of something, and that thing deleted."""
    key = {"key": day.random.choice(KEYS)}
    dataset = day.names["default"]["trainingDatasetArn"]
    parent = day.rig.api.by_hand("CreateAudienceModel", name="parent", trainingDatasetArn=dataset)
    data = request("CreateConfiguredAudienceModel", audienceModelArn=parent)
    day.publish("CreateConfiguredAudienceModel", data, **key)
    _delete(day, "DeleteAudienceModel", parent, **key)


@action(6, Family.ORDER)
async def write_twice(day: Day) -> None:
    """Two writes of one key to the same resource."""
    key = {"key": day.random.choice(KEYS)}
    operations = [name for name in OTHERS if OPERATIONS[name].change]
    for _ in range(2):
        day.send(day.random.choice(operations), **key)


LINKS = (
    ("CreateTrainingDataset", ""),
    ("CreateAudienceModel", "trainingDatasetArn"),
    ("CreateConfiguredAudienceModel", "audienceModelArn"),
    ("StartAudienceGenerationJob", "configuredAudienceModelArn"),
    ("StartAudienceExportJob", "audienceGenerationJobArn"),
)
"""Commands, each with the member that names what the one before it makes."""


@action(12, Family.CHAINS)
async def campaign(day: Day) -> None:
    """Up to five commands, each naming the one before it, and one that comes after them."""
    key, tenant = _place(day)
    first = day.random.randrange(4)
    before = ""
    for operation, member in LINKS[first : first + day.random.randrange(1, 6)]:
        members = {name: arn for name, arn in day.names["default"].items() if name in request(operation)}
        if before:
            members[member] = f"command:{before}"
        before = day.publish(operation, request(operation, **members), key=key, tenant=tenant, **_times(day))
        if day.random.random() < 0.2:
            await asyncio.sleep(day.random.uniform(0.0, 5.0))
    day.publish("ListAudienceModels", request("ListAudienceModels"), key=key, tenant=tenant, after=json.dumps([before]))


def _place(day: Day) -> tuple[str, str]:
    """Key and tenant of a chain: it stays in one partition."""
    key = day.random.choice((*KEYS, f"chain-{len(day.published)}"))
    return key, "blue" if day.has(Family.TENANTS) and day.random.random() < 0.4 else ""


def _times(day: Day) -> dict[str, str]:
    draw = day.random.random()
    if draw < 0.1:
        return {"deadline": day.moment(1.0, 120.0)}
    return {"notbefore": day.moment(1.0, 120.0)} if draw < 0.2 else {}


@action(6, Family.CHAINS)
async def many_after_one(day: Day) -> None:
    """Several commands wait for the same ones, and a watch of what one makes for all of them."""
    key, tenant = _place(day)
    members = {"trainingDatasetArn": day.names["default"]["trainingDatasetArn"]}
    model = day.publish("CreateAudienceModel", request("CreateAudienceModel", **members), key=key, tenant=tenant)
    tagged = request("TagResource", resourceArn=f"command:{model}")
    ids = [day.publish("TagResource", tagged, key=key, tenant=tenant) for _ in range(day.random.randrange(1, 5))]
    after = json.dumps([model, *ids])
    watch = {"resourceArn": f"command:{model}"}
    ids.append(day.publish("TrackResource", watch, key=key, tenant=tenant, after=after))
    if day.random.random() < 0.5:
        gone = request("DeleteAudienceModel", audienceModelArn=f"command:{ids[-1]}")
        day.publish("DeleteAudienceModel", gone, key=key, tenant=tenant, after=json.dumps(ids))


@action(5, Family.CHAINS)
async def fail_at_the_head(day: Day) -> None:
    """The first of a chain does not succeed: it is invalid, it is refused, or it is cancelled."""
    key, tenant = _place(day)
    missing = f"{day.names['default']['audienceModelArn']}-missing"
    head = day.random.choice(({"name": ""}, request("CreateConfiguredAudienceModel", audienceModelArn=missing)))
    before = day.publish("CreateConfiguredAudienceModel", head, key=key, tenant=tenant)
    data = request("StartAudienceGenerationJob", configuredAudienceModelArn=f"command:{before}")
    job = day.publish("StartAudienceGenerationJob", data, key=key, tenant=tenant)
    data = request("StartAudienceExportJob", audienceGenerationJobArn=f"command:{job}")
    day.publish("StartAudienceExportJob", data, key=key, tenant=tenant)
    if day.random.random() < 0.5:
        _about_another(day, "CancelCommand", {}, job)


@action(3, Family.CHAINS)
async def name_what_is_not_there(day: Day) -> None:
    """A command that was never sent, or has another key, or makes something else."""
    name = day.random.choice(["nothing", *day.published])
    data = request("CreateConfiguredAudienceModel", audienceModelArn=f"command:{name}")
    day.publish("CreateConfiguredAudienceModel", data, key=day.random.choice(KEYS))


@action(2)
async def track(day: Day) -> None:
    await _track(day, {})


@action(4, Family.SERVICE)
async def track_until(day: Day) -> None:
    """Until a status, which may be behind it already."""
    statuses = ("CREATE_PENDING", "CREATE_IN_PROGRESS", "ACTIVE", "deleted")
    await _track(day, {"untilStatus": day.random.choice(statuses)})


async def _track(day: Day, data: dict[str, str]) -> None:
    api = day.rig.api
    model = api.by_hand(
        "CreateAudienceModel", name="theirs", trainingDatasetArn=day.names["default"]["trainingDatasetArn"]
    )
    api.set_status(model, "CREATE_IN_PROGRESS")
    loop = asyncio.get_running_loop()
    loop.call_later(20.0, api.set_status, model, "ACTIVE")
    if "untilStatus" in data:
        loop.call_later(day.random.uniform(25.0, 60.0), _remove, day, model)
    timed = day.has(Family.TIMES) and day.random.random() < 0.5
    day.publish("TrackResource", {"resourceArn": model, **data}, **({"until": day.moment(-5.0, 60.0)} if timed else {}))


def _remove(day: Day, model: str) -> None:
    day.rig.api.remove(model)
    day.monitor.note(f"{model} is deleted by others")


@action(3)
async def cancel(day: Day) -> None:
    _about_another(day, "CancelCommand", {"deleteResource": day.random.random() < 0.5})


@action(8, Family.SERVICE)
async def cancel_creation(day: Day) -> None:
    """A creation is cancelled, with what it has made; some time later, with times of its own."""
    made = [name for name, operation in day.rig.sent.items() if operation in CREATES]
    if made:
        chosen = day.random.choice(made)
        times = {"deadline": (-5.0, 30.0), "notbefore": (5.0, 60.0)}
        drawn = day.random.choice((*times, "", ""))
        extensions = {drawn: day.moment(*times[drawn])} if drawn else {}
        _about_another(day, "CancelCommand", {"deleteResource": True}, chosen, **extensions)


@action(4, Family.SERVICE)
async def resolve(day: Day) -> None:
    """A person decides about what is parked, or is mistaken."""
    parked = [command_id for command_id, job in day.monitor.jobs().items() if job.phase is Phase.PARKED]
    chosen = day.random.choice(parked) if parked else ""
    if not chosen and not day.published:
        return
    resolve_one(day, chosen or day.random.choice(list(day.published)))


def give_up(day: Day, chosen: str) -> None:
    """So that what waits for it ends, whatever it has made."""
    day.monitor.given_up.add(chosen)
    _about_another(day, "ResolveCommand", {"resolution": "fail"}, chosen)


def resolve_one(day: Day, chosen: str) -> None:
    """As a person would who can see the account: adopt what is there, else retry or fail."""
    asked = day.monitor.promises.commands[chosen]
    items = day.monitor.promises.made(asked)
    decision: dict[str, Any] = {"resolution": day.random.choice(("retry", "fail"))}
    row = OPERATIONS.get(asked.operation)
    if items and row is not None and row.creates:
        decision = {"resolution": "adopt"}
        if row.resource.identity:
            decision["resourceArn"] = items[0].key
    _about_another(day, "ResolveCommand", decision, chosen)


def _about_another(day: Day, operation: str, data: dict[str, Any], chosen: str = "", **attributes: str) -> None:
    if not day.published:
        return
    chosen = chosen or day.random.choice(list(day.published))
    asked = day.monitor.promises.commands[chosen]
    if asked.tenant:
        attributes["tenant"] = asked.tenant
    members = {"commandId": chosen, "commandSource": "/tests", **data}
    day.publish(operation, members, key=day.published[chosen].key.decode(), **attributes)


@action(4)
async def copy(day: Day) -> None:
    """A publisher that is not sure sends again."""
    if day.published:
        copy_one(day, day.random.choice(list(day.published)))


def copy_one(day: Day, command_id: str) -> None:
    record = day.published[command_id]
    day.monitor.copies[command_id] += 1
    day.rig.broker.produce(record.topic, record.key, record.value, record.headers)


@action(1)
async def misuse(day: Day) -> None:
    if day.published:
        command_id = day.random.choice(list(day.published))
        record = day.published[command_id]
        data = {"audienceModelArn": f"{day.names['default']['resourceArn']}-other"}
        _, value, headers = command("GetAudienceModel", command_id, data)
        day.monitor.misused.add(command_id)
        day.rig.broker.produce(record.topic, record.key, value, headers)


@action(1)
async def invalid(day: Day) -> None:
    day.publish("CreateTrainingDataset", {"name": ""})


@action(1)
async def garbage(day: Day) -> None:
    day.rig.broker.produce("cleanroomsml.commands", b"key", b"{", ())


@action(6, Family.FULL)
async def wait_without_end(day: Day) -> None:
    """More commands than may be open wait for what never comes; then they are cancelled."""
    model = day.names["default"]["audienceModelArn"]
    waiting = []
    for _ in range(4):
        if day.random.random() < 0.5:
            waiting.append(day.send("ListTrainingDatasets", key="full", notbefore="9999-12-31T23:59:59Z"))
        else:
            waiting.append(day.publish("TrackResource", {"resourceArn": model, "untilStatus": "deleted"}, key="full"))
    day.endless.extend(waiting)
    await asyncio.sleep(day.random.uniform(0.0, 5.0))
    for command_id in waiting:
        _about_another(day, "CancelCommand", {}, command_id)


def cancel_endless(day: Day) -> None:
    """Once more what waits without end: an older release has not known the first cancellation."""
    for command_id in day.endless:
        if command_id not in day.monitor.ended:
            _about_another(day, "CancelCommand", {}, command_id)


@action(5, Family.UNDELETED)
async def delete_what_fails(day: Day) -> None:
    """A resource whose deletion has failed before is deleted again, and fails again within moments."""
    api = day.rig.api
    model = api.by_hand(
        "CreateAudienceModel", name="stuck", trainingDatasetArn=day.names["default"]["trainingDatasetArn"]
    )
    if day.random.random() < 0.7:
        api.set_status(model, "DELETE_FAILED", {"statusCode": "X", "message": "a bucket is locked"})
    api.undeletable.add(model)
    day.monitor.counters["undeletable"] += 1
    _delete(day, "DeleteAudienceModel", model)


@action(5, Family.UNDELETED)
async def delete_what_is_taken_back(day: Day) -> None:
    """A deletion begins, is seen, and ends with the resource as it was."""
    api, dataset = day.rig.api, day.names["default"]["trainingDatasetArn"]
    model = api.by_hand("CreateAudienceModel", name="returning", trainingDatasetArn=dataset)
    api.taken_back[model] = day.random.uniform(0.1, 20.0)
    day.monitor.counters["taken back"] += 1
    _delete(day, "DeleteAudienceModel", model)


@action(5, Family.UNTRUE)
async def delete_what_is_missed(day: Day) -> None:
    """A deletion that fails, of a resource that Gets often miss."""
    api, dataset = day.rig.api, day.names["default"]["trainingDatasetArn"]
    model = api.by_hand("CreateAudienceModel", name="elusive", trainingDatasetArn=dataset)
    api.undeletable.add(model)
    day.faults.answers.elusive.add(model)
    _delete(day, "DeleteAudienceModel", model)


@action(5, Family.UNTRUE)
async def delete_what_deletions_miss(day: Day) -> None:
    """A deletion of a resource that is not found, now and then, although it is there."""
    dataset = day.rig.api.by_hand("CreateTrainingDataset", name="elusive")
    day.faults.answers.elusive.add(dataset)
    _delete(day, "DeleteTrainingDataset", dataset)


@action(6, Family.REPEATS)
async def lose_and_refuse(day: Day) -> None:
    """A repeatable write is performed, its answer lost, and the repeat refused."""
    operations = [name for name in OTHERS if OPERATIONS[name].change]
    operation = day.random.choice(operations)
    command_id = day.send(operation)
    day.faults.lose_then_refuse(day.monitor.promises.commands[command_id].token)


@action(4, Family.REPEATS)
async def lose_and_delete(day: Day) -> None:
    """The same, and another command deletes what was written to before anybody can look at it."""
    api, model = day.rig.api, day.names["default"]["audienceModelArn"]
    configured = api.by_hand("CreateConfiguredAudienceModel", name="written", audienceModelArn=model)
    data = request("UpdateConfiguredAudienceModel", configuredAudienceModelArn=configured, minMatchingSeedSize=77)
    command_id = day.publish("UpdateConfiguredAudienceModel", data)
    day.faults.lose_then_refuse(day.monitor.promises.commands[command_id].token)
    await asyncio.sleep(day.random.uniform(0.0, 2.0))
    _delete(day, "DeleteConfiguredAudienceModel", configured)


@action(5, Family.LATER)
async def put_and_delete_policy(day: Day) -> None:
    """What is named after another resource comes back under the same name."""
    day.send("PutConfiguredAudienceModelPolicy", key="policy")
    day.send("DeleteConfiguredAudienceModelPolicy", key="policy")


SHAPES = ("member", "escapes", "value", "header", "header name", "id", "key", "correlation", "tags")


@action(5, Family.SIZES)
async def enormous(day: Day) -> None:
    """A record as large as its topic takes, in one shape or another."""
    size = day.random.randrange(day.rig.options.max_bytes // 8, day.rig.options.max_bytes)
    shape = day.random.choice(SHAPES)
    day.monitor.counters[f"enormous: {shape}"] += 1
    enormous_one(day, shape, size)


def enormous_one(day: Day, shape: str, size: int) -> None:
    text = day.random.choice(("x", '"', "\\", "ü", "😀", "\u2028"))
    text *= size // len(text.encode())
    if shape == "member":
        day.publish(
            "TrackResource", {"resourceArn": day.names["default"]["audienceModelArn"], text[: len(text) - 400]: 1}
        )
    elif shape == "escapes":
        day.publish("CreateTrainingDataset", {"name": "\u0001" * (size // 7)})
    elif shape == "value":
        day.send("GetAudienceModel", {"audienceModelArn": text[:-400]})
    elif shape == "tags":
        tags = {f"{number:05}": "\\" * 200 for number in range(max(1, size // 450))}
        day.publish("CreateTrainingDataset", {**request("CreateTrainingDataset"), "tags": tags})
    elif shape == "correlation":
        day.send("ListTrainingDatasets", correlationid=text[: len(text) // 2])
    else:
        _raw(day, shape, text)


def _raw(day: Day, shape: str, text: str) -> None:
    """What names no command, or one that nobody waits for."""
    day.monitor.counters["enormous nonsense"] += 1
    number = day.monitor.counters["enormous nonsense"]
    key, value, headers = command("ListTrainingDatasets", f"raw-{number}", {})
    if shape == "header":
        headers = (*headers, ("x-note", text.encode()))
    elif shape == "header name":
        headers = (*headers, ("\\xff" * len(text.encode()), b""))
    elif shape == "id":
        _, value, headers = command("ListTrainingDatasets", text, {})
    elif shape == "key":
        key = text.encode()
    day.rig.broker.produce("cleanroomsml.commands", key, value if shape != "header name" else b"{", headers)
