"""Validates answers: JSON types, RFC 3339 timestamps, the members that the model requires."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from schemas import shapes


def rfc3339(value: object) -> str:
    """Normalises a timestamp as it came over the wire; botocore's own parser takes 90 % of a List's time.

    Raises:
        ValueError: It is no timestamp.
    """
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return _from_epoch(float(value))
        if moment.tzinfo is not None:
            return value
        return moment.replace(tzinfo=UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, int | float):
        return _from_epoch(value)
    raise ValueError(f"not a timestamp: {value!r}")


def _from_epoch(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def result_of(parsed: Mapping[str, Any]) -> dict[str, Any]:
    """The response's own members."""
    return {name: value for name, value in parsed.items() if name != "ResponseMetadata"}


def missing_members(operation: str, result: Mapping[str, Any]) -> list[str]:
    """Members that the model requires of the output and that are not there.

    botocore turns a 200 with HTML, broken JSON or nothing in it into an empty success; only this check detects it.
    """
    return [name for name in shapes.required_output_members(operation) if name not in result]
