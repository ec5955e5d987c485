"""`python -m tests.clients.table FOLDER`: the page of clients and operations, from what the tests recorded there.

The tests record when CLIENTS_RECORD names the folder: for each client that has passed, the HTTP statuses which the
sandbox's request log has of each operation.
"""

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path

from sandbox.cleanroomsml.operations import OPERATIONS
from tests.clients.harness import CLIENTS, HERE

ROOT = HERE.parents[1]
PAGE = ROOT / "docs" / "sandbox" / "clients.md"
_PINS = {
    "JavaScript v2": (HERE / "javascript-v2" / "package.json", r'"aws-sdk": "([\d.]+)"'),
    "Java v2": (HERE / "java" / "pom.xml", r"cleanroomsml</artifactId>\s*<version>([\d.]+)"),
    "Go v1": (HERE / "go" / "go.mod", r"aws-sdk-go v([\d.]+)"),
    "AWS CLI": (ROOT / "requirements" / "aws-cli.lock", r"awscli==([\d.]+)"),
}

HEAD = """\
# Clients and operations

AWS SDKs, unmodified, with only the endpoint set, go through one scenario against `python -m sandbox serve
--check-signatures` (`tests/clients/scenario.json`). Each must see the same: outputs, error codes and messages, HTTP
statuses, request ids, timestamps as the client's own dates, pages by the client's own paginator, tags with odd
characters, and a throttled request that it tries again by itself. A cell has the HTTP statuses which the sandbox
answered. Rendered from a passing run by `make render-clients`.

"""
TAIL = """
What differs: the AWS CLI prints no `quotaName` and `quotaValue`, and request ids and HTTP statuses in its debug output
only; Go's v1 was not asked for the two members. JavaScript v2 and Go v1 do not know `sqlComputeConfiguration`, this
version of Java's does not know `properties` in it; these members were left out of their requests.

Not tested: `@aws-sdk/client-cleanroomsml` (JavaScript v3) and `aws-sdk-go-v2/service/cleanroomsml`. The registries that
the project was built with did not have these two packages.
"""


def pinned(client: str) -> str:
    """The version of a client that is tested."""
    if client not in _PINS:
        return version(client)
    path, pattern = _PINS[client]
    found = re.search(pattern, path.read_text("utf-8"))
    assert found, f"{path} does not match {pattern}"
    return found[1]


def page(folder: Path) -> str:
    seen = {client: json.loads((folder / f"{client}.json").read_text("utf-8")) for client in CLIENTS}
    names = " | ".join(f"{client} {pinned(client)}" for client in CLIENTS)
    lines = [f"| operation | {names} |", "|---|" + "---|" * len(CLIENTS)]
    for operation in OPERATIONS:
        cells = " | ".join(" ".join(map(str, seen[client][operation])) for client in CLIENTS)
        lines.append(f"| {operation} | {cells} |")
    return HEAD + "\n".join(lines) + "\n" + TAIL


if __name__ == "__main__":
    PAGE.write_text(page(Path(sys.argv[1])), "utf-8")
