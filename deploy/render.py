"""Writes what is deployed beside the service and follows from its code: ``python -m deploy.render [--check]``.

Topics are those that `python -m service topics` would create, rights in Kafka those that `python -m service acls`
lists, rights in AWS those that `python -m service iam` prints; all with default settings and three copies. With other
topics, tenants or operations, set the same variables as for the service and name a folder to write to.
"""

import argparse
import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from deploy import cloudformation, strimzi
from service.adapters.kafka.topics import TopicSpec, config_at_creation
from service.operator.access.formats import as_script, as_strimzi
from service.operator.access.kafka_acls import acls
from service.settings import Settings, load
from service.topology import topic_specs

ROOT: Final = Path(__file__).parent
REPLICATION: Final = 3
PLACEHOLDERS: Final = {"CRML_KAFKA__BOOTSTRAP_SERVERS": "kafka:9092", "AWS_REGION": "eu-west-1"}
"""Settings that must be there, and on which nothing that is written depends."""

_MADE: Final = "# Made by `make render`; see deploy/render.py.\n"
_STAR: Final = re.compile(r"^( +)(Resource: '\*')$", re.MULTILINE)
_WHY_STAR: Final = (
    r"\1# AWS's own limit: a request for these need not name a resource (Service Authorization Reference, AWS Clean"
    "\n"
    r"\1# Rooms ML, column Resource types), and then IAM matches nothing but *. Hence one Region only."
    "\n"
    r"\1\2"
)


def files(settings: Settings) -> dict[str, str]:
    """Path within deploy/ -> text."""
    specs, rights = topic_specs(settings), acls(settings)
    return {
        "kafka/topics.yaml": _MADE + _documents(strimzi.topics(specs, REPLICATION)),
        "kafka/topics.sh": _script(specs),
        "kafka/users.yaml": _MADE + as_strimzi(rights),
        "kafka/acls.sh": as_script(rights),
        "aws/topics.yaml": _MADE + _document(cloudformation.topics(specs, REPLICATION)),
        "aws/access.yaml": _MADE + _STAR.sub(_WHY_STAR, _document(cloudformation.access(rights, settings))),
    }


def stale(settings: Settings, root: Path = ROOT) -> list[str]:
    """Paths of what differs from a fresh rendering."""
    return [path for path, text in files(settings).items() if not _same(root / path, text)]


def write(settings: Settings, root: Path = ROOT) -> None:
    """Write everything."""
    for path, text in files(settings).items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text, encoding="utf-8")
        target.chmod(0o755 if target.suffix == ".sh" else 0o644)


def defaults() -> Settings:
    """As if nothing were set."""
    return load(environ=PLACEHOLDERS)


def _same(path: Path, text: str) -> bool:
    return path.is_file() and path.read_text(encoding="utf-8") == text


def _script(specs: list[TopicSpec]) -> str:
    lines = [
        "#!/bin/sh",
        _MADE.strip(),
        "# Creates what is missing, leaves what exists; `python -m service topics` does the same, and verifies.",
        "set -eu",
        ': "${BOOTSTRAP:?host:port of a broker}"',
        f'REPLICATION="${{REPLICATION:-{REPLICATION}}}"',
        "create() {",
        '  kafka-topics.sh --bootstrap-server "$BOOTSTRAP" ${COMMAND_CONFIG:+--command-config "$COMMAND_CONFIG"} \\',
        '    --create --if-not-exists --replication-factor "$REPLICATION" "$@"',
        "}",
        "",
    ]
    for spec in specs:
        config = config_at_creation(spec, REPLICATION)
        options = " \\\n  ".join(f"--config {name}={value}" for name, value in config.items())
        lines.append(f"create --topic {spec.name} --partitions {spec.partitions} \\\n  {options}")
    return "\n".join(lines) + "\n"


def _document(document: Mapping[str, Any]) -> str:
    return yaml.dump(document, Dumper=_Plain, sort_keys=False, width=120)


def _documents(documents: list[dict[str, Any]]) -> str:
    return yaml.dump_all(documents, Dumper=_Plain, sort_keys=False, width=120)


class _Plain(yaml.SafeDumper):
    """Writes each part where it is used."""

    def ignore_aliases(self, data: Any) -> bool:
        """Nothing is written as a reference."""
        return True


def main() -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m deploy.render", description="Write what is generated in deploy/.")
    parser.add_argument("--check", action="store_true", help="write nothing; fail when something is stale")
    parser.add_argument("--to", type=Path, help="write there, for the settings of the environment")
    given = parser.parse_args()
    if given.to:
        write(load(environ={**PLACEHOLDERS, **os.environ}), given.to)
        return 0
    if not given.check:
        write(defaults())
        return 0
    found = stale(defaults())
    for path in found:
        sys.stderr.write(f"stale, run make render: deploy/{path}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
