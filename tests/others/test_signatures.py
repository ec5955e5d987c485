"""AWS's suite of Signature Version 4 (aws-c-auth, as the crate aws-sigv4 carries it) against the sandbox's check.

Each signed request of the suite must be let in at its time, and refused when its signature has changed.
"""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import pytest
from multidict import CIMultiDict

from sandbox.cleanroomsml.errors import ApiError, InvalidSignature
from sandbox.cleanroomsml.signatures import Signatures
from tests.others import tools
from tests.others.verdict import settle

pytestmark = pytest.mark.others

VERSION: Final = "aws-sigv4 1.6.4"
KINDS: Final = ("header", "query")
EXPLAINED: Final = {
    "get-.*-unnormalized .*": "only S3 signs a path as it is, and the suite's service is not S3",
    "post-sts-header-after query": "only IoT wants the session token added after signing",
}


def suite() -> Path:
    return tools.crates() / "aws-sigv4" / "aws-signing-test-suite" / "v4"


def request(text: str) -> tuple[str, str, CIMultiDict[str], bytes]:
    """Method, target, headers and body; a header that goes on in the next line is one."""
    head, _, body = text.partition("\n\n")
    first, *lines = head.replace("\n ", " ").splitlines()
    method, _, rest = first.partition(" ")
    headers = CIMultiDict((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
    return method, rest.removesuffix(" HTTP/1.1"), headers, body.encode()


def check(case: Path, kind: str) -> str:
    """What is wrong with what the sandbox makes of a signed request."""
    context = json.loads((case / "context.json").read_text("utf-8"))
    keys = context["credentials"]
    at = datetime.fromisoformat(context["timestamp"]).astimezone(UTC)
    signatures = Signatures({keys["access_key_id"]: keys["secret_access_key"]}.get, lambda: at)
    text = (case / f"{kind}-signed-request.txt").read_text("utf-8")
    signature = (case / f"{kind}-signature.txt").read_text("utf-8").strip()
    try:
        signatures.check(*request(text))
    except ApiError as error:
        return f"refused: {error}"
    changed = signature[:-1] + ("0" if signature[-1] != "0" else "1")
    try:
        signatures.check(*request(text.replace(signature, changed)))
    except InvalidSignature:
        return ""
    return "a changed signature is let in"


def test_signed_requests() -> None:
    cases = [(each, kind) for each in sorted(suite().iterdir()) for kind in KINDS]
    whole = [(each, kind) for each, kind in cases if (each / f"{kind}-signature.txt").exists()]
    results = {f"{each.name} {kind}": check(each, kind) for each, kind in whole}
    left_out = {"cases without keys or a signature": len(cases) - len(whole)}
    settle("SigV4", VERSION, "the sandbox's check of signatures", results, EXPLAINED, left_out)
