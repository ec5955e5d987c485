"""Where settings come from: pydantic-settings merges these sources key by key, the first one wins."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, EnvSettingsSource, InitSettingsSource, PydanticBaseSettingsSource

PREFIX: Final = "CRML_"
DELIMITER: Final = "__"
FILE_VARIABLE: Final = "CRML_SETTINGS"
AWS_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT_URL")
"""Standard variables which complete the targets."""


class SettingsError(ValueError):
    """The settings are not usable; the message names every problem: what, found, expected."""


class Environment(EnvSettingsSource):
    """``CRML_KAFKA__GROUP_ID=x`` is ``{"kafka": {"group_id": "x"}}``; names that nobody knows are kept, to be refused.

    Raises:
        SettingsError: A name is below one that has a value.
    """

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self.env_vars = {
            name.lower(): value
            for name, value in environ.items()
            if name.upper().startswith(PREFIX) and name.upper() != FILE_VARIABLE
        }

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
        return super().__call__() | unknown


class File(InitSettingsSource):
    """A YAML file. pydantic-settings' own source takes a missing file for an empty one, and some lists for mappings.

    Raises:
        SettingsError: There is no such file, or it holds something else.
    """

    def __init__(self, settings_cls: type[BaseSettings], file: Path) -> None:
        super().__init__(settings_cls, _read(file))


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise SettingsError(f"settings file {file} can't be read: {error}") from error
    tree = {} if tree is None else tree
    if not isinstance(tree, dict):
        raise SettingsError(f"settings file {file} must hold a mapping of groups, found {type(tree).__name__}")
    groups = _without_gaps(tree)
    for keyed in ("targets", "tenants"):
        if isinstance(groups.get(keyed), dict):
            groups[keyed] = _without_gaps(groups[keyed])
    return groups


def _without_gaps(tree: dict[Any, Any]) -> dict[str, Any]:
    """A heading with nothing below it (``kafka:``) is an empty group."""
    return {str(name): {} if value is None else value for name, value in tree.items()}


class StandardAws(PydanticBaseSettingsSource):
    """What AWS's standard environment says of the targets, and the only target's name; beneath all other sources."""

    def __init__(self, settings_cls: type[BaseSettings], environ: Mapping[str, str]) -> None:
        super().__init__(settings_cls)
        self._region = environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION")
        self._endpoint_url = environ.get("AWS_ENDPOINT_URL")

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
