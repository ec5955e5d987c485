"""Faults that strike commands which wait for others."""

import asyncio
import json
import signal
import subprocess
import tarfile
from collections.abc import Iterable, Sequence
from io import BytesIO
from pathlib import Path

from sandbox.processes import ROOT
from tests.faults import chains
from tests.faults.chains import Link
from tests.faults.ground import Ground
from tests.faults.history import Identity, Sent
from tests.faults.lab import PARTITIONS, Lab
from tests.faults.processes import all_stop, at_point, resumed
from tests.faults.runner import Inject, Mark
from tests.faults.workers import Worker, haste, until

SUCCESSORS = 50
_TAKEN = 30.0
_WAITING = 20.0
_ENDED = 60.0
_FIRST = "p-"
"""Begins the ids of predecessors whose end is a point."""


def a_campaign(lab: Lab, ground: Ground, partition: int) -> None:
    """A whole campaign."""
    name = f"{_FIRST}{lab.chance.randrange(10**12)}"
    chain = chains.whole(ground, name)
    lab.load.campaign(ground, chain, source=f"{lab.name}-p", key=name, partition=partition)


def killed_at_the_end_of(operation: str) -> Inject:
    """The end of a predecessor is committed; no one has told its successor."""
    return at_point("after-commit", f"{operation}/{_FIRST}*", signal.SIGKILL, a_campaign)


async def rebalanced(lab: Lab, mark: Mark) -> None:
    """Fifty wait for one command while a replica joins and their owner leaves; they are called in their order."""
    ground = lab.load.grounds[0]
    name = f"fifty-{lab.chance.randrange(10**12)}"
    own = f"{name}-first"
    first = Link(own, "CreateAudienceModel", ground.create_model(own), {"notbefore": chains.moment(25 * haste())})
    links = [first, *(_successor(ground, name, number) for number in range(SUCCESSORS))]
    sent = lab.load.campaign(ground, links, source=f"{lab.name}-p", key=name, partition=0)
    await _wait(lab, sent[1:])
    third = lab.worker("w3")
    lab.workers.append(third)
    third.start()
    await lab.balanced()
    owner = await lab.owner(f"{lab.commands['']}-0")
    mark.now()
    owner.send(signal.SIGTERM)
    await owner.ended(20 * haste())
    mark.figures["taken over"] = await resumed(lab, mark.since, _TAKEN * haste())
    _are_open(lab, mark, sent[1:])
    if owner in lab.usual_workers:
        owner.start()
    else:
        lab.workers.remove(owner)
    await lab.balanced()
    _are_open(lab, mark, sent[1:])
    mark.now()
    await _ended(lab, sent, 2 * _ENDED * haste())
    calls = [request["name"] for request in await lab.listed("requests") if request["created"]]
    made = [each for each in calls if each in {str(one.data["name"]) for one in sent[1:]}]
    if made != [one.data["name"] for one in sent[1:]]:
        mark.broken("I7", name, f"they were called in another order: {made}")


def _successor(ground: Ground, name: str, number: int) -> Link:
    """Every other one takes data of the predecessor, the others only come after it."""
    own = f"{name}-{number:02}"
    data, before = ground.create_configured(own), f"{name}-first"
    if number % 2:
        return Link(own, "CreateConfiguredAudienceModel", {**data, "audienceModelArn": f"command:{before}"})
    return Link(own, "CreateConfiguredAudienceModel", data, chains.after(before))


async def parked(lab: Lab, mark: Mark) -> None:
    """Predecessors whose outcome can't be found out are parked; a person adopts half of them, and gives up the rest."""
    await asyncio.to_thread(lab.fault, "deny", "ListTrainingDatasets", 0, count=None)
    await asyncio.to_thread(lab.fault, "close_after_effect", "CreateTrainingDataset", 0, count=None)
    ground, sent = lab.load.grounds[0], []
    for number in range(4):
        name = f"unclear-{lab.chance.randrange(10**12)}"
        chain = chains.whole(ground, name)
        sent.append(lab.load.campaign(ground, chain, source=f"{lab.name}-p", key=name, partition=number % PARTITIONS))
    mark.now()
    firsts = {one[0].identity: one for one in sent}
    await until(lambda: firsts.keys() <= _of_kind(lab, "parked"), _ENDED * haste(), "predecessors are not parked")
    later = [each for one in sent for each in one[1:]]
    await _wait(lab, later)
    victim = lab.victim()
    victim.kill()
    victim.start()
    await lab.balanced()
    _are_open(lab, mark, later)
    await asyncio.to_thread(lab.clear_faults)
    made = {each["name"]: each["arn"] for each in await lab.listed("requests") if each["created"]}
    for number, (identity, one) in enumerate(firsts.items()):
        if number % 2:
            lab.load.decide(identity, "fail")
        else:
            lab.load.decide(identity, "adopt", resourceArn=made[str(one[0].data["name"])])
    mark.now()
    await _ended(lab, later, _ENDED * haste())
    done = _of_kind(lab, "succeeded")
    for number, one in enumerate(sent):
        if {each.identity for each in one[1:]} & done != (set() if number % 2 else {e.identity for e in one[1:]}):
            mark.broken(
                "I7", one[0].id, f"decided as {'lost' if number % 2 else 'made'}; its successors ended otherwise"
            )


async def rolled_back(lab: Lab, mark: Mark) -> None:
    """Both replicas become the release before chains, in which the predecessors end, and then this one again."""
    old = await asyncio.to_thread(former_release, lab.directory / "former")
    lab.load.chained = False
    try:
        await _rolled_back(lab, mark, old)
    finally:
        lab.load.chained = True


async def _rolled_back(lab: Lab, mark: Mark, old: Path) -> None:
    await _quiet(lab)
    ground, sent = lab.load.grounds[0], []
    for partition in range(PARTITIONS):
        name = f"held-{lab.chance.randrange(10**12)}"
        first, *others = chains.whole(ground, name)
        first = Link(first.id, first.operation, first.data, {"notbefore": chains.moment(25 * haste())})
        sent.append(lab.load.campaign(ground, [first, *others], source=f"{lab.name}-p", key=name, partition=partition))
    later = [each for chain in sent for each in chain[1:]]
    await _wait(lab, later)
    await all_stop(lab)
    lab.workers = [lab.worker(f"former{number}", code=old) for number in (1, 2)]
    await lab.start()
    mark.now()
    mark.figures["resumed by the former release"] = await resumed(lab, mark.since, _TAKEN * haste())
    held = mark.figures["held"] = sum([await _held(worker) for worker in lab.workers])
    if held < len(later):
        mark.broken("I7", "former release", f"holds {held} jobs; {len(later)} wait in a chain")
    await _ended(lab, [chain[0] for chain in sent], _ENDED * haste())  # no one tells their successors
    await asyncio.sleep(2)
    _are_open(lab, mark, later)
    await all_stop(lab)
    lab.usual()
    mark.now()
    await lab.start()
    await _ended(lab, later, _ENDED * haste())


async def _quiet(lab: Lab) -> None:
    """Waits until no chain of the load is open: a release without chains would hold its commands."""

    def done() -> bool:
        open_ones = lab.load.open()
        return not any(sent.key and sent.identity in open_ones for sent in lab.load.sent)

    await until(done, _ENDED * haste(), "chains of the load do not end")


def former_release(directory: Path) -> Path:
    """The code of the release before commands could name others, out of the history."""
    if directory.exists():
        return directory
    added = _git("log", "--format=%H", "--diff-filter=A", "--", "service/core/chains.py").decode().split()
    assert added, "the release before chains is not in this copy of the history"
    packed = _git("archive", f"{added[-1]}^", "service", "schemas", "pyproject.toml")
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(directory, filter="data")
    return directory


def _git(*words: str) -> bytes:
    return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout


async def _held(worker: Worker) -> int:
    shards = (await worker.status() or {}).get("shards", {})
    return sum(int(shard["held"]) for shard in shards.values())


async def _wait(lab: Lab, sent: Sequence[Sent]) -> None:
    """Until each of them has said that it waits for its predecessors."""

    def waiting() -> set[Identity]:
        replies = lab.subscriber.told[lab.topic("replies")]
        return {each.command for each in replies if each.kind == "waiting" and each.data.get("reason") == "Predecessor"}

    wanted = {each.identity for each in sent}
    await until(lambda: wanted <= waiting(), _WAITING * haste(), lambda: f"do not wait: {_few(wanted - waiting())}")


def _are_open(lab: Lab, mark: Mark, sent: Sequence[Sent]) -> None:
    if ended := {each.identity for each in sent} & lab.load.ended():
        mark.broken("I7", "chain", f"ended before their predecessors: {_few(ended)}")


async def _ended(lab: Lab, sent: Sequence[Sent], seconds: float) -> None:
    wanted = {each.identity for each in sent}
    await until(lambda: wanted <= lab.load.ended(), seconds, lambda: f"have no end: {_few(wanted - lab.load.ended())}")


def _of_kind(lab: Lab, kind: str) -> set[Identity]:
    return {each.command for each in lab.subscriber.told[lab.topic("replies")] if each.kind == kind}


def _few(identities: Iterable[Identity]) -> str:
    return json.dumps(sorted(name for _, _, name in identities)[:5])
