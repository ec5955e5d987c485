"""Rights written down: each form says what the rows say, no more and no less."""

import json
import shlex
from typing import Any

import pytest
import yaml

from service.operator.access.formats import FORMATS, as_json, as_msk_iam, as_script, as_strimzi, as_table
from service.operator.access.kafka_acls import Acl, acls
from tests.unit.service.operator.access.test_kafka_acls import TENANTS, _settings


def test_the_script_says_what_the_rows_say() -> None:
    rows = acls(_settings(**TENANTS), {"service": "User:CN=svc,O=We & Co"})
    told = set()
    for line in as_script(rows).splitlines():
        if not line.startswith("allow "):
            continue
        words = shlex.split(line)[1:]
        pairs = list(zip(words[::2], words[1::2], strict=True))
        options: dict[str, list[str]] = {}
        for flag, value in pairs:
            options.setdefault(flag, []).append(value)
        (who,) = options.pop("--allow-principal")
        (pattern,) = options.pop("--resource-pattern-type", ["literal"])
        operations = options.pop("--operation")
        ((flag, names),) = options.items()
        told |= {(who, flag, pattern, name, operation) for name in names for operation in operations}
    flags = {"topic": "--topic", "group": "--group", "transactionalId": "--transactional-id"}
    assert told == {
        (row.principal, flags[row.resource_type], row.pattern_type, row.name, row.operation) for row in rows
    }


def test_strimzi_says_what_the_rows_say() -> None:
    rows = acls(_settings(**TENANTS))
    told = set()
    for user in yaml.safe_load_all(as_strimzi(rows)):
        for acl in user["spec"]["authorization"]["acls"]:
            kind, name, pattern = (acl["resource"][member] for member in ("type", "name", "patternType"))
            told |= {(f"User:{user['metadata']['name']}", kind, pattern, name, each) for each in acl["operations"]}
    assert told == {(row.principal, row.resource_type, row.pattern_type, row.name, row.operation) for row in rows}


def test_iam_grants_to_every_component_what_its_rows_need() -> None:
    arn = "arn:aws:kafka:eu-west-1:111122223333:cluster/demo/abc-1"
    policies: dict[str, Any] = json.loads(as_msk_iam(acls(_settings()), cluster_arn=arn))
    service = {
        (action, resource)
        for statement in policies["service"]["Statement"]
        for action in statement["Action"]
        for resource in statement["Resource"]
    }
    assert ("kafka-cluster:Connect", arn) in service
    topic = "arn:aws:kafka:eu-west-1:111122223333:topic/demo/abc-1"
    assert ("kafka-cluster:ReadData", f"{topic}/cleanroomsml.commands") in service
    assert ("kafka-cluster:WriteData", f"{topic}/cleanroomsml.commands") not in service
    ids = "arn:aws:kafka:eu-west-1:111122223333:transactional-id/demo/abc-1/cleanroomsml-service-*"
    assert ("kafka-cluster:AlterTransactionalId", ids) in service
    subscriber = json.dumps(policies["subscriber"])
    assert "WriteData" not in subscriber
    assert "AlterGroup" in subscriber


def test_a_table_has_a_line_for_each_right_and_columns_that_line_up() -> None:
    rows = acls(_settings())
    head, *lines = as_table(rows).splitlines()
    assert len(lines) == len(rows)
    column = head.index("operation")
    assert [line[column:].split()[0] for line in lines] == [row.operation for row in rows]
    assert not any(line.endswith(" ") for line in lines)


def test_the_list_for_programs_has_every_member() -> None:
    rows = acls(_settings())
    assert [Acl(**row) for row in json.loads(as_json(rows))] == rows


@pytest.mark.parametrize("name", FORMATS)
def test_without_rights_every_form_is_well_formed(name: str) -> None:
    text = FORMATS[name]([])
    if name in {"json", "msk-iam"}:
        assert not json.loads(text)
    else:
        assert "User:" not in text
