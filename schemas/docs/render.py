"""Writes what is generated from the code: ``python -m schemas.docs.render [--check | --publish]``.

Without an option, files are written and stale ones removed. ``--check`` writes nothing, and fails when a file differs
or the contract breaks the published one. ``--publish`` makes the fresh contract the published one of its version,
unless that breaks it.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from schemas.aws_policies import trust
from schemas.aws_policies.iam import iam_policy
from schemas.docs import asyncapi, client_types, compatibility, descriptions, examples, json_schemas, reference
from schemas.docs.json_schemas import CONTRACT_VERSION
from schemas.operations import OPERATIONS, Kind

ROOT: Final = Path(__file__).parents[2]
GENERATED: Final = "schemas/generated"
PAGES: Final = "docs/reference"
CLIENT_TYPES: Final = "schemas/client/requests.py"
PUBLISHED: Final = f"{GENERATED}/published"


def files() -> dict[str, str]:
    """Everything that is generated: path within the repository -> text; the same on every machine."""
    contract = json_schemas.contract()
    found = {
        f"{GENERATED}/asyncapi.yaml": _yaml(asyncapi.document()),
        f"{GENERATED}/operations.json": _json(descriptions.operations()),
        f"{GENERATED}/operations.md": reference.operations_page(),
        f"{PAGES}/README.md": reference.index(),
        CLIENT_TYPES: client_types.module(),
    }
    for folder in ("commands", "replies", "results", "events", "deadLetters"):
        for name, section in contract[folder].items():
            title = f"{section['type'] or name}{f' of {name}' if folder == 'results' else ''}"
            schema = json_schemas.standalone(title, section)
            found[f"{GENERATED}/jsonschema/{folder}/{name}.json"] = _json(schema)
    for name, section in json_schemas.without_assumed(contract).items():
        schema = json_schemas.standalone(f"{section['type']} with rules.assumed=false", section)
        found[f"{GENERATED}/jsonschema/commands-assumed-off/{name}.json"] = _json(schema)
    found[f"{GENERATED}/iam/policy.json"] = _json(iam_policy())
    for kind in Kind:
        names = [row.name for row in OPERATIONS.values() if row.kind is kind]
        if names:
            found[f"{GENERATED}/iam/{kind.value}.json"] = _json(iam_policy(names))
    found |= {f"{GENERATED}/iam/{name}.json": _json(document) for name, document in trust.templates().items()}
    found |= {f"{PAGES}/{name}.md": reference.page(name) for name in examples.COMMANDS}
    return found


def stale(root: Path = ROOT) -> list[str]:
    """Paths of what differs from a fresh rendering: missing, changed or no longer generated."""
    fresh = files()
    differing = [path for path, text in fresh.items() if _read(root / path) != text]
    return sorted([*differing, *_left_over(root, fresh)])


def write(root: Path = ROOT) -> None:
    """Writes everything, and removes what is no longer generated."""
    fresh = files()
    for path in _left_over(root, fresh):
        (root / path).unlink()
    for path, text in fresh.items():
        _put(root / path, text)


def publish(root: Path = ROOT) -> list[compatibility.Break]:
    """Makes the fresh contract the published one of its version, unless it breaks that; returns what it would break."""
    found = broken(root)
    if not found:
        _put(root / PUBLISHED / f"v{CONTRACT_VERSION}" / "contract.json", _json(json_schemas.contract()))
    return found


def broken(root: Path = ROOT) -> list[compatibility.Break]:
    """What the fresh contract breaks of the published one, but for recorded corrections."""
    before = compatibility.published(folder=root / PUBLISHED)
    found = compatibility.breaks(before, json_schemas.contract()) if before else ()
    return compatibility.uncorrected(found, compatibility.corrections(folder=root / PUBLISHED))


def _left_over(root: Path, fresh: Mapping[str, str]) -> list[str]:
    present = [path for folder in (GENERATED, PAGES) for path in (root / folder).rglob("*") if path.is_file()]
    names = [path.relative_to(root).as_posix() for path in present]
    return [name for name in names if name not in fresh and not name.startswith(f"{PUBLISHED}/")]


def _read(path: Path) -> str | None:
    return path.read_text("utf-8") if path.exists() else None


def _put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")


def _json(document: Any) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


class _Dumper(yaml.SafeDumper):
    """Writes each part where it is used: an anchor would be one more thing for a reader to follow."""

    def ignore_aliases(self, data: Any) -> bool:
        """Makes the encoder write no references."""
        return True


def _yaml(document: Any) -> str:
    return yaml.dump(document, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m schemas.docs.render", description="Write what is generated.")
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument("--check", action="store_true", help="write nothing; fail when something is stale or broken")
    choice.add_argument("--publish", action="store_true", help="make this contract the published one of its version")
    options = parser.parse_args(arguments)
    if options.check:
        found = [f"stale, run make render: {path}" for path in stale()] + [f"breaks: {one}" for one in broken()]
    elif options.publish:
        found = [f"breaks: {one}" for one in publish()]
    else:
        write()
        found = []
    for line in found:
        sys.stderr.write(f"{line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
