"""Memory of this container as its cgroup counts it, and the limit at which the kernel ends it."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final, NamedTuple

ROOT: Final = Path("/sys/fs/cgroup")


class _Files(NamedTuple):
    usage: str
    limit: str
    statistics: str
    inactive: str


_LAYOUTS: Final = (
    _Files("memory.current", "memory.max", "memory.stat", "inactive_file"),
    _Files("memory/memory.usage_in_bytes", "memory/memory.limit_in_bytes", "memory/memory.stat", "total_inactive_file"),
)
"""Of cgroup v2 and v1. A container sees its own group at the root."""

_UNLIMITED: Final = 2**60
"""What cgroup v1 says where there is no limit is larger."""
_NOTHING: Final[Mapping[tuple[str, ...], float]] = MappingProxyType({})


class ContainerMemory:
    """Reads the files again at each question.

    Args:
        root: Where cgroups are mounted.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root
        self._files = next((files for files in _LAYOUTS if (root / files.limit).is_file()), None)

    def limit(self) -> Mapping[tuple[str, ...], float]:
        """Bytes; nothing without a limit."""
        found = self._number(self._files.limit) if self._files is not None else None
        return {(): found} if found is not None and found < _UNLIMITED else _NOTHING

    def used(self) -> Mapping[tuple[str, ...], float]:
        """Bytes without what the kernel can drop at once, as the kubelet counts; nothing without a limit."""
        if self._files is None or not self.limit():
            return _NOTHING
        usage = self._number(self._files.usage)
        return {(): max(0.0, usage - self._inactive(self._files))} if usage is not None else _NOTHING

    def _inactive(self, files: _Files) -> float:
        for line in self._text(files.statistics).splitlines():
            name, _, number = line.partition(" ")
            if name == files.inactive and number.isdecimal():
                return float(number)
        return 0.0

    def _number(self, name: str) -> float | None:
        """None for what is no number: v2 says `max` where there is no limit."""
        text = self._text(name).strip()
        return float(text) if text.isdecimal() else None

    def _text(self, name: str) -> str:
        try:
            return (self._root / name).read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return ""
