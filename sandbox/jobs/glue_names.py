"""Names of databases and tables as Glue keeps them: in lower case, "for Hive compatibility", for every client.

Moto keeps them as they are written, so they are folded on the way to it. Names of columns stay as they are, as in Glue;
readers compare them without regard to case.
"""

from __future__ import annotations

import json
import re
from typing import Any, Final

_NAMED: Final = re.compile(r"(Database|Table)s?$")
"""Actions whose member `Name` is a database's or a table's; of jobs and crawlers it is left as it is."""
_ALWAYS: Final = frozenset({"DatabaseName", "TableName"})
_INPUTS: Final = ("DatabaseInput", "TableInput")


def folded(target: str, body: bytes) -> bytes:
    """The body of a request to Glue with its names in lower case.

    Args:
        target: the header `X-Amz-Target`, such as `AWSGlue.CreateTable`.
        body: JSON.

    Raises:
        ValueError: the body is not a JSON object.
    """
    try:
        document = json.loads(body or b"{}")
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if not isinstance(document, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - the body is wrong, not the caller
    names = _ALWAYS | ({"Name"} if _NAMED.search(target) else set())
    for part in (document, *(document[name] for name in _INPUTS if isinstance(document.get(name), dict))):
        _fold(part, names)
    return json.dumps(document).encode()


def _fold(part: dict[str, Any], names: frozenset[str]) -> None:
    for name in names & part.keys():
        if isinstance(part[name], str):
            part[name] = part[name].lower()
    if isinstance(part.get("TablesToDelete"), list):
        part["TablesToDelete"] = [each.lower() if isinstance(each, str) else each for each in part["TablesToDelete"]]
