"""Imports a module with its source edited: nothing on disk changes, and no cached bytecode is used."""

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType

from tests.sabotage.table import Sabotage


class Editing(MetaPathFinder):
    """Finds one module, and edits it while it is loaded.

    Attributes:
        applied: Whether that has happened.
    """

    def __init__(self, sabotage: Sabotage) -> None:
        self.applied = False
        self._sabotage = sabotage

    def install(self) -> None:
        """Must come before anything of the project is imported.

        Raises:
            RuntimeError: It comes too late.
        """
        if self._sabotage.module in sys.modules:
            raise RuntimeError(f"{self._sabotage.module} is imported already")
        sys.meta_path.insert(0, self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Part of the import system's protocol."""
        if fullname != self._sabotage.module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = _Loader(self, self._sabotage, spec.loader)
        return spec


class _Loader(SourceFileLoader):
    def __init__(self, editing: Editing, sabotage: Sabotage, original: SourceFileLoader) -> None:
        super().__init__(original.name, original.path)
        self._editing, self._sabotage = editing, sabotage

    def get_code(self, fullname: str) -> CodeType:
        source = self.get_data(self.path).decode()
        if source.count(self._sabotage.old) != 1:
            raise ImportError(f"{self._sabotage.name}: the guard is not where it was in {fullname}")
        self._editing.applied = True
        return compile(source.replace(self._sabotage.old, self._sabotage.new), self.path, "exec")
