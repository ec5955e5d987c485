"""What the twin remembers of a command."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import records
from ..events import ReplyKind
from ..operations import COMMANDS, Kind, Operation


@dataclass(slots=True, eq=False)
class TwinJob:
    """A running command, or its end.

    Attributes:
        command: The command.
        accepted_at: When it came.
        replies: Number of replies up to now.
        last: The reply to a duplicate: kind, data and number.
        waiting: Why it waits, if it does.
        awaits: The job whose end it waits for.
        key: Of its record.
        open: Ids of the commands that it names and that have not succeeded.
        made: What the others have made, by their ids.
        filled: Members of its request that were filled in.
        resource_id: What it watches, or has made.
        ended: Whether it has had its terminal reply.
        overdue: Whether it has had its notice that it runs for long.
    """

    command: records.Command
    accepted_at: float
    key: bytes | None = None
    open: tuple[str, ...] = ()
    replies: int = 0
    last: tuple[ReplyKind, Mapping[str, Any], int] = (ReplyKind.ACCEPTED, {}, 1)
    waiting: str = ""
    awaits: "TwinJob | None" = None
    made: dict[str, str] = field(default_factory=dict)
    filled: Mapping[str, Any] = field(default_factory=dict)
    resource_id: str = ""
    ended: bool = False
    overdue: bool = False

    @property
    def row(self) -> Operation:
        """The table's row."""
        return COMMANDS[self.command.operation]


def wanted(job: TwinJob) -> str:
    """The status at which a tracking command ends; empty for any good one."""
    return str(job.command.params.get("untilStatus", "")) if job.row.kind is Kind.TRACK else ""


def error(
    code: str,
    message: str,
    *,
    http_status: int | None = None,
    details: Mapping[str, str] | None = None,
    violations: list[dict[str, str]] | None = None,
) -> dict[str, Any]:
    """The data of a reply about a failure."""
    data: dict[str, Any] = {
        "code": code,
        "message": message,
        "statusDetails": dict(details) if details else None,
        "retryable": False,
        "httpStatus": http_status,
    }
    return {"error": data if violations is None else data | {"violations": violations}}


def fault_of(status: str, details: Mapping[str, str]) -> dict[str, Any]:
    """The failure that a status stands for."""
    text = f"{details['statusCode']}: {details['message']}" if details else "AWS gives no reason"
    return error(status, text, details=details)
