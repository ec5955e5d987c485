"""What the clients have in common: a sandbox process, the scenario, and what every client must have seen."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.cleanroomsml.operations import OPERATIONS
from tests.support.ratings_table import provide
from tests.support.sandbox_account import World

HERE = Path(__file__).parent
EXPECTED = HERE / "expected.json"
REGION = "eu-west-1"
CLIENTS = {
    "boto3": "100000000001",
    "aiobotocore": "100000000002",
    "AWS CLI": "100000000003",
    "JavaScript v2": "100000000004",
    "Java v2": "100000000005",
    "Go v1": "100000000006",
}
"""Client and its account."""
SECRET = "c1i/ent+secret"
ONCE_THROTTLED = "ListTagsForResource"

Result = dict[str, Any]


def access_key(client: str) -> str:
    return "AKIA" + re.sub(r"\W", "", client).upper()


def serve_options() -> list[str]:
    keys = [word for client, account in CLIENTS.items() for word in ("--access-key", _pair(client, account))]
    times = ["--pending", "0.2", "--floor", "0.3", "--quota-exports-per-generation-job", "1"]
    return ["--check-signatures", *times, *keys]


def _pair(client: str, account: str) -> str:
    return f"{access_key(client)}:{SECRET}:{account}"


def steps(lacks: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    """The scenario without some members; a step that is like another one has its parameters, but for its own."""
    found: dict[str, dict[str, Any]] = {}
    for step in json.loads((HERE / "scenario.json").read_text("utf-8")):
        like = found[step.pop("like")]["with"] if "like" in step else {}
        found[step["id"]] = step | {"with": _less(like | step["with"], lacks)}
    return list(found.values())


@dataclass(frozen=True)
class Stage:
    """What one client is given."""

    client: str
    url: str
    known: Mapping[str, str]
    lacks: frozenset[str]
    """Members that its model does not know."""

    @property
    def credentials(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": access_key(self.client),
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ENDPOINT_URL": self.url,
        }

    @property
    def environment(self) -> dict[str, str]:
        """Variables for a client's program, the scenario among them."""
        return self.credentials | {"SCENARIO": json.dumps(steps(self.lacks)), "KNOWN": json.dumps(dict(self.known))}


def stage(client: str, url: str, *lacks: str) -> Stage:
    """Provide the client's account with data, and have one of its requests throttled once."""
    account = CLIENTS[client]
    world = World(url, account)
    bucket = f"clients-{account}"
    provide(world.keyed(access_key(client), SECRET), bucket, REGION)
    world.fault("throttle", ONCE_THROTTLED)
    world.close()
    known = {
        "role": f"arn:aws:iam::{account}:role/service/clean-rooms",
        "key": f"arn:aws:kms:{REGION}:{account}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
        "bucket": bucket,
    }
    return Stage(client, url, known, frozenset(lacks))


def read(output: str) -> list[Result]:
    """Results as a client's program prints them."""
    return [json.loads(line) for line in output.splitlines() if line.startswith("{")]


_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MADE = {"createTime", "updateTime"}
_LEARNT = {"score", "recallMetric"}


def plain(value: Any, account: str, name: str = "") -> Any:
    """A result without what differs from run to run: accounts, ids, times of creation, what was learnt."""
    if isinstance(value, dict):
        if set(value) == {"$date"}:
            return "<time>" if name in _MADE else {"$date": re.sub(r"(\.0+)?(Z|\+00:00)$", "Z", value["$date"])}
        return {key: plain(each, account, key) for key, each in sorted(value.items()) if each is not None}
    if isinstance(value, list):
        return [plain(each, account, name) for each in value]
    if name in _LEARNT:
        assert isinstance(value, float | int), f"{name} is a {type(value).__name__}"
        assert 0 <= value <= 1
        return "<number>"
    if not isinstance(value, str):
        return value
    if name == "protectedQueryIdentifier":
        return "<id>"
    return re.sub(rf"(?<=/){_UUID}", "<id>", value).replace(account, "<account>")


def summary(results: list[Result], account: str) -> dict[str, Any]:
    """Everything that a client saw, by step; request ids are UUIDs, all different."""
    ids = [each["requestId"] for each in results]
    assert all(re.fullmatch(_UUID, each) for each in ids), ids
    assert len(set(ids)) == len(ids)
    return {
        each["id"]: {
            "status": each["status"],
            **{part: plain(each[part], account) for part in ("output", "error") if part in each},
        }
        for each in results
    }


def calls_made(url: str, client: str) -> list[dict[str, Any]]:
    """The sandbox's own record of what a client has sent."""
    world = World(url, CLIENTS[client])
    try:
        entries: list[dict[str, Any]] = world.admin("GET", "requests")["requests"]
    finally:
        world.close()
    return [each for each in entries if each["account"] == CLIENTS[client]]


def check(stage: Stage, results: list[Result]) -> None:
    """Compare what a client saw with what every client must see."""
    seen = summary(results, CLIENTS[stage.client])
    expected = json.loads(EXPECTED.read_text("utf-8"))
    assert list(seen) == [step["id"] for step in steps()]
    for name, value in expected.items():
        assert seen[name] == _less(value, stage.lacks), name
    sent = calls_made(stage.url, stage.client)
    assert {each["operation"] for each in sent} == set(OPERATIONS)
    assert {each["account"] for each in sent} == {CLIENTS[stage.client]}
    listed = [each for each in sent if each["operation"] == "ListTrainingDatasets" and each["status"] == 200]
    assert len(listed) == 3, "two pages, and once more at the end"
    asked = [each["status"] for each in sent if each["operation"] == ONCE_THROTTLED]
    assert asked == [429, 200, 200], "a throttled request is tried again by the client itself"
    if folder := os.environ.get("CLIENTS_RECORD"):
        answers = {each["operation"]: set[int]() for each in sent}
        for each in sent:
            answers[each["operation"]].add(each["status"])
        found = {name: sorted(statuses) for name, statuses in answers.items()}
        Path(folder, f"{stage.client}.json").write_text(json.dumps(found), "utf-8")


def _less(value: Any, lacks: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {name: _less(each, lacks) for name, each in value.items() if name not in lacks}
    if isinstance(value, list):
        return [_less(each, lacks) for each in value]
    return value
