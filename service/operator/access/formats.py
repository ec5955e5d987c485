"""Writes rights down: for people, for Kafka's own tool, for Strimzi, for MSK with IAM, and for other programs."""

import json
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any, Final

import yaml

from service.operator.access.kafka_acls import Acl

_FLAGS: Final = {"topic": "--topic", "group": "--group", "transactionalId": "--transactional-id"}

_IAM: Final[Mapping[tuple[str, str], tuple[str, ...]]] = {
    ("topic", "Read"): ("DescribeTopic", "ReadData"),
    ("topic", "Write"): ("DescribeTopic", "WriteData"),
    ("topic", "Create"): ("CreateTopic",),
    ("topic", "Describe"): ("DescribeTopic",),
    ("topic", "DescribeConfigs"): ("DescribeTopicDynamicConfiguration",),
    ("group", "Read"): ("AlterGroup", "DescribeGroup"),
    ("group", "Describe"): ("DescribeGroup",),
    ("transactionalId", "Write"): ("AlterTransactionalId", "DescribeTransactionalId"),
}
"""MSK's actions for Kafka's operations; IAM derives nothing by itself."""

_IAM_TYPES: Final = {"topic": "topic", "group": "group", "transactionalId": "transactional-id"}
_PLACEHOLDER: Final = "arn:aws:kafka:<region>:<account>:cluster/<name>/<uuid>"


def as_table(rows: Sequence[Acl]) -> str:
    """Columns, a component below the other."""
    head = ("component", "principal", "resource", "pattern", "name", "operation", "why")
    cells = [
        (row.component, row.principal, row.resource_type, row.pattern_type, row.name, row.operation, row.purpose)
        for row in rows
    ]
    widths = [max(len(line[column]) for line in [head, *cells]) for column in range(len(head))]
    lines = ("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in [head, *cells])
    return "".join(f"{line.rstrip()}\n" for line in lines)


def as_json(rows: Sequence[Acl]) -> str:
    """A list of objects with the members of `Acl`."""
    return json.dumps([asdict(row) for row in rows], indent=2) + "\n"


def as_script(rows: Sequence[Acl]) -> str:
    """A shell script of kafka-acls.sh; it may be run again.

    The variables ``BOOTSTRAP`` and ``COMMAND_CONFIG`` (a file of client properties of a principal that may alter ACLs)
    are set by the caller.
    """
    lines = [
        "#!/bin/sh",
        "# Made by: python -m service acls --format kafka-acls. May be run again.",
        "set -eu",
        ': "${BOOTSTRAP:?host:port of a broker}"',
        'allow() { kafka-acls.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"}'
        ' --add --force "$@"; }',
    ]
    for component, group in groupby(rows, lambda row: row.component):
        lines += ["", f"# {component}", *(f"allow {words}" for words in _calls(list(group)))]
    return "\n".join(lines) + "\n"


def _calls(rows: Sequence[Acl]) -> Iterator[str]:
    """As few calls as can be, for each starts a Java: one for all things of which the same may be done."""
    alike: dict[tuple[str, str, str, tuple[str, ...]], list[str]] = {}
    for (principal, kind, pattern, name), operations in _by_resource(rows).items():
        alike.setdefault((principal, kind, pattern, operations), []).append(name)
    for (principal, kind, pattern, operations), names in alike.items():
        words = ["--allow-principal", principal]
        words += [word for operation in operations for word in ("--operation", operation)]
        words += [word for name in names for word in (_FLAGS[kind], name)]
        words += ["--resource-pattern-type", pattern] if pattern != "literal" else []
        yield shlex.join(words)


def _by_resource(rows: Iterable[Acl]) -> dict[tuple[str, str, str, str], tuple[str, ...]]:
    """What may be done, by principal, type, pattern and name."""
    found: dict[tuple[str, str, str, str], tuple[str, ...]] = {}
    for row in rows:
        resource = (row.principal, row.resource_type, row.pattern_type, row.name)
        found[resource] = tuple(dict.fromkeys((*found.get(resource, ()), row.operation)))
    return found


def as_strimzi(rows: Sequence[Acl], *, cluster: str = "kafka", authentication: str = "scram-sha-512") -> str:
    """A KafkaUser for each principal, for Strimzi's user operator."""
    documents = [
        {
            "apiVersion": "kafka.strimzi.io/v1",
            "kind": "KafkaUser",
            "metadata": {
                "name": principal.removeprefix("User:").removeprefix("CN="),
                "labels": {"strimzi.io/cluster": cluster},
            },
            "spec": {
                "authentication": {"type": authentication},
                "authorization": {"type": "simple", "acls": list(_strimzi(mine))},
            },
        }
        for principal, mine in _by_principal(rows).items()
    ]
    return yaml.safe_dump_all(documents, sort_keys=False, width=120)


def _strimzi(rows: Iterable[Acl]) -> Iterator[dict[str, Any]]:
    """One entry for each resource, with all that may be done with it."""
    for (_, kind, pattern, name), operations in _by_resource(rows).items():
        yield {"resource": {"type": kind, "name": name, "patternType": pattern}, "operations": list(operations)}


def as_msk_iam(rows: Sequence[Acl], *, cluster_arn: str = _PLACEHOLDER) -> str:
    """An IAM policy for each component: MSK knows no ACLs for who comes by IAM."""
    policies = {
        component: {"Version": "2012-10-17", "Statement": _statements(list(group), cluster_arn)}
        for component, group in groupby(rows, lambda row: row.component)
    }
    return json.dumps(policies, indent=2) + "\n"


def _statements(rows: Sequence[Acl], cluster_arn: str) -> list[dict[str, Any]]:
    writes = any(row.operation == "Write" for row in rows)
    connect = ["Connect", *(["WriteDataIdempotently"] if writes else [])]
    statements = [_allow(connect, [cluster_arn])]
    names: dict[tuple[str, ...], list[str]] = {}
    for row in rows:
        names.setdefault(_IAM[row.resource_type, row.operation], []).append(_arn(row, cluster_arn))
    return statements + [_allow(actions, sorted(set(arns))) for actions, arns in names.items()]


def _allow(actions: Iterable[str], resources: list[str]) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": [f"kafka-cluster:{name}" for name in actions], "Resource": resources}


def _arn(row: Acl, cluster_arn: str) -> str:
    star = "*" if row.pattern_type == "prefixed" else ""
    return f"{cluster_arn.replace(':cluster/', f':{_IAM_TYPES[row.resource_type]}/', 1)}/{row.name}{star}"


def _by_principal(rows: Iterable[Acl]) -> dict[str, list[Acl]]:
    found: dict[str, list[Acl]] = {}
    for row in rows:
        found.setdefault(row.principal, []).append(row)
    return found


FORMATS: Final[Mapping[str, Callable[[Sequence[Acl]], str]]] = {
    "table": as_table,
    "json": as_json,
    "kafka-acls": as_script,
    "strimzi": as_strimzi,
    "msk-iam": as_msk_iam,
}
"""By the name that the command line knows."""
