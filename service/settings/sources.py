"""Where settings come from: pydantic-settings merges these sources key by key, the first one wins."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

from service.settings import yaml_file
from service.settings.base import SettingsError, group_of, is_keyed, secrets_of

PREFIX: Final = "CRML_"
DELIMITER: Final = "__"
FILE_VARIABLE: Final = "CRML_SETTINGS"
AWS_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
_IGNORE_ENDPOINTS: Final = "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"
"""Standard variables which complete the targets."""
KEYED: Final = ("targets", "tenants")
"""Groups whose keys are names that the operator chooses."""


class Environment(EnvSettingsSource):
    """``CRML_KAFKA__GROUP_ID=x`` is ``{"kafka": {"group_id": "x"}}``; unknown names are kept, so that they are refused.

    A value that is empty or blank counts as not set, and blanks and line ends around one are dropped, as they come
    from templates and mounted files; within a secret, only the line end is.

    Args:
        settings_cls: The settings.
        environ: The variables.
        names: Names of targets and tenants which the file has: a variable's `_` stands for their `-` and `.` too.

    Raises:
        SettingsError: A name is below one that has a value, or stands there twice.
    """

    def __init__(
        self, settings_cls: type[BaseSettings], environ: Mapping[str, str], names: Mapping[str, Iterable[str]]
    ) -> None:
        super().__init__(settings_cls)
        self._names = {keyed: sorted(map(str, names.get(keyed, ()))) for keyed in KEYED}
        self._mentioned: list[tuple[str, str]] = []
        self.env_vars = self._read(environ)

    def _read(self, environ: Mapping[str, str]) -> dict[str, str | None]:
        found: dict[str, str] = {}
        read: dict[str, str | None] = {}
        for name, value in environ.items():
            if not name.upper().startswith(PREFIX) or name.upper() == FILE_VARIABLE:
                continue
            if (lower := name.lower()) in found:
                raise SettingsError(f"{name} and {found[lower]} are both set, and mean the same setting; keep one")
            found[lower] = name
            path = lower.removeprefix(self.env_prefix).split(DELIMITER)
            kind = _kind(self.settings_cls, path)
            if kind is not None and not value.strip():
                # Not set; but that a target or a tenant is named stays true, or a slip would open what tenants close.
                self._mentioned += [(path[0], path[1])] if path[0] in KEYED else []
                continue
            read[lower] = value.rstrip("\r\n") if kind == "secret" else value.strip()
        return read

    def decode_complex_value(self, field_name: str, field: FieldInfo | None, value: Any) -> Any:
        """Strings stay strings: an account's digits are no number, and lists have a form of their own."""
        return value

    def __call__(self) -> dict[str, Any]:
        """What is set, as a tree."""
        for name in sorted(self.env_vars):
            above = name.rpartition(DELIMITER)[0]
            while above:
                if above in self.env_vars:
                    raise SettingsError(f"{name.upper()} is below a setting that has a value of its own")
                above = above.rpartition(DELIMITER)[0]
        unknown = {
            name.removeprefix(self.env_prefix): value
            for name, value in self.env_vars.items()
            if name.removeprefix(self.env_prefix).partition(DELIMITER)[0] not in self.settings_cls.model_fields
        }
        tree = super().__call__() | unknown
        for keyed, name in self._mentioned:
            group = tree.setdefault(keyed, {})
            if isinstance(group, dict):
                group.setdefault(name, {})
        return {name: self._named(name, value) for name, value in tree.items()}

    def _named(self, group: str, value: Any) -> Any:
        """The names of targets and tenants as the file writes them."""
        known = self._names.get(group)
        if not known or not isinstance(value, dict):
            return value
        return {self._meant(group, name, known): below for name, below in value.items()}

    def _meant(self, group: str, name: str, known: list[str]) -> str:
        alike = [each for each in known if _folded(each) == _folded(name)]
        if name in known or not alike:
            return name
        if len(alike) > 1:
            variable = f"{PREFIX}{group}{DELIMITER}{name}".upper()
            raise SettingsError(
                f"{variable}{DELIMITER}... may mean {' or '.join(alike)}, which the file has: set it in the file, or "
                f"give these {group} names that differ in more than '-', '.' and '_'"
            )
        return alike[0]


class File(InitSettingsSource):
    """A YAML file. pydantic-settings' own source takes a missing file for an empty one, and some lists for mappings."""

    def __init__(self, settings_cls: type[BaseSettings], tree: dict[str, Any]) -> None:
        super().__init__(settings_cls, tree)


def read_file(file: Path) -> dict[str, Any]:
    """What a settings file holds.

    Raises:
        SettingsError: There is no such file, or it holds something else.
    """
    tree = yaml_file.read(file)
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise SettingsError(f"settings file {file} must hold a mapping of groups, found {type(tree).__name__}")
    groups = _without_gaps(tree)
    for keyed in KEYED:
        if isinstance(groups.get(keyed), dict):
            groups[keyed] = _without_gaps(groups[keyed])
    return groups


def misshapen(tree: Mapping[str, Any], model: type[BaseModel], above: str = "") -> Iterator[str]:
    """Groups of a file that hold something else; merging would drop them where a variable sets the same group.

    Args:
        tree: What the file holds.
        model: The settings, or a group of them.
        above: The group's name, with a dot at its end.
    """
    for name, value in tree.items():
        field = model.model_fields.get(name)
        group = group_of(field) if field else None
        if field is None or group is None or value is None:
            continue
        path = above + name
        form = f"{name}: {{{next(iter(group.model_fields))}: ...}}"
        if not isinstance(value, dict):
            wanted = (
                f"groups by name, such as {name}: {{NAME: {{...}}}}" if is_keyed(field) else f"a group, such as {form}"
            )
            yield f"{path}: found {shape(value)}; expected {wanted}"
        elif is_keyed(field):
            yield from (
                f"{path}.{key}: found {shape(each)}; expected a group"
                for key, each in value.items()
                if each is not None and not isinstance(each, dict)
            )
            for key, each in value.items():
                if isinstance(each, dict):
                    yield from misshapen(each, group, f"{path}.{key}.")
        else:
            yield from misshapen(value, group, f"{path}.")


def shape(value: Any) -> str:
    """What a value is, without the value: it may be a secret."""
    return "a list" if isinstance(value, list) else "text" if isinstance(value, str) else "a number or a truth value"


def _folded(name: str) -> str:
    return name.lower().replace("-", "_").replace(".", "_")


def _kind(settings: type[BaseModel], path: list[str]) -> str | None:
    """`secret` or `plain` for the path of a setting; None for a group's and for a name that is not known."""
    model: type[BaseModel] | None = settings
    parts = iter(path)
    for part in parts:
        field = model.model_fields.get(part) if model else None
        if field is None or model is None:
            return None
        secret = part in secrets_of(model)
        model = group_of(field)
        if model is None:
            below = next(parts, None) is not None and not is_keyed(field)
            return None if below else ("secret" if secret else "plain")
        if is_keyed(field) and next(parts, None) is None:
            return None
    return None


def _without_gaps(tree: dict[Any, Any]) -> dict[str, Any]:
    """A heading with nothing below it (``kafka:``) is an empty group."""
    return {str(name): {} if value is None else value for name, value in tree.items()}


class StandardAws(PydanticBaseSettingsSource):
    """What AWS's standard environment says of the targets, and the only target's name; beneath all other sources."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        given = {name: environ.get(name, "").strip() for name in AWS_VARIABLES}
        self._region = given["AWS_REGION"] or given["AWS_DEFAULT_REGION"]
        ignored = environ.get(_IGNORE_ENDPOINTS, "").strip().lower() == "true"
        self._endpoint_url = "" if ignored else given["AWS_ENDPOINT_URL"]

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Demanded by the base class: one setting of the tree."""
        return self().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Completes what the other sources have said."""
        given = self.current_state.get("targets") or {}
        if not isinstance(given, dict):
            return {"kafka": {}}
        default = str(self.current_state.get("default_target", "default"))
        own = {"endpoint_url": self._endpoint_url} if self._endpoint_url and not given else {}
        region = {"region": self._region} if self._region else {}
        targets = dict.fromkeys(given or [default], region | own)
        only = {"default_target": next(iter(targets))} if len(targets) == 1 else {}
        return {"kafka": self._kafka(), "targets": targets, **only}

    def _kafka(self) -> dict[str, Any]:
        """The Region for MSK, if tokens for it are wanted."""
        given = self.current_state.get("kafka") or {}
        oauth = given.get("oauth") if isinstance(given, dict) else None
        wanted = isinstance(oauth, dict) and oauth.get("provider") == "msk_iam" and self._region
        return {"oauth": {"region": self._region}} if wanted else {}
