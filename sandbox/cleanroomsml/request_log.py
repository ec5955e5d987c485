"""The request log: what was asked, what was done, what was answered. Append-only; the proof that a create came once."""

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Final

MARKER: Final = re.compile(r"\[crml:([0-9A-Za-z]{26})\]")


@dataclass(slots=True)
class Entry:
    """One Clean Rooms ML request. It never holds parameters but name and description: a seed's SQL is sensitive."""

    time: str
    operation: str | None
    account: str
    region: str
    session: str | None = None
    """The assumed role's session that signed it, when STS of this sandbox gave the credentials."""
    invocation_id: str | None = None
    """amz-sdk-invocation-id: the same for every resend of one SDK call."""
    attempt: str | None = None
    """amz-sdk-request, as the SDK sent it (`attempt=2; max=5`)."""
    name: str | None = None
    description: str | None = None
    marker: str | None = None
    """The client's own correlation marker, when the description ends with one."""
    arn: str | None = None
    """The resource which the request made or addressed, also when the answer was lost."""
    created: bool = False
    """Whether the request made that resource."""
    status: int | None = None
    """The HTTP status that was sent; None when the connection was closed or left hanging."""
    error: str | None = None
    """The error code that was sent."""
    fault: str | None = None
    """The fault switch that fired: on the request, on what it has started, or on its answer; the last one of them."""

    def describe(self, params: dict[str, Any]) -> None:
        """Keep what identifies a request among its likes."""
        self.name, self.description = params.get("name"), params.get("description")
        found = MARKER.search(self.description or "")
        self.marker = found.group(1) if found else None


class RequestLog:
    """The entries in memory and, if wished, as JSON lines in a file."""

    def __init__(self, path: Path | None = None) -> None:
        self._entries: list[Entry] = []
        self._file: IO[str] | None = path.open("a", encoding="utf-8") if path else None

    def open(self, operation: str | None, account: str, region: str) -> Entry:
        """Begin an entry, stamped now."""
        return Entry(datetime.now(UTC).isoformat(timespec="milliseconds"), operation, account, region)

    def append(self, entry: Entry) -> None:
        """Add a finished entry."""
        self._entries.append(entry)
        if self._file:
            self._file.write(json.dumps(asdict(entry)) + "\n")
            self._file.flush()

    def entries(self, after: int = 0, operation: str | None = None, account: str | None = None) -> list[dict[str, Any]]:
        """Return the entries from a position on, of one operation and account or of all."""
        found = self._entries[after:]
        return [asdict(e) for e in found if operation in {None, e.operation} and account in {None, e.account}]

    def clear(self) -> None:
        """Start again in memory; the file keeps its contents."""
        self._entries.clear()

    def __len__(self) -> int:
        return len(self._entries)

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None
