"""Renders the reference of all settings as Markdown, from the types themselves."""

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings.base import group_of, is_keyed
from service.settings.loading import variable
from service.settings.model import Settings

_HEAD = """# Settings

By environment variable, or in a YAML file named by `CRML_SETTINGS` or `--settings FILE`; the environment wins.
In the file, groups nest: `kafka: {group_id: x}` is `CRML_KAFKA__GROUP_ID=x`. Lists may be JSON or separated by commas.
A secret may be read from a file instead: `..._PASSWORD_FILE` names it, such as a mounted Kubernetes secret.
Unknown settings are refused. `<name>` stands for a name of your choice; in the environment `_` stands for `-` in the
names of resource kinds and quotas, and for `-` and `.` in those targets and tenants that the file names. A target with
a hyphen that the file does not name is written so in the variable (`CRML_TARGETS__eu-west__REGION`): `env`, Docker and
Kubernetes allow that, a shell's `export` does not.

A variable that is empty or blank counts as not set. Blanks and line ends around a value are dropped; of a secret, only
the line end. The file is YAML 1.2: `012` and `no` are texts and neither 10 nor false, and a key that is given twice is
refused.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections(Settings, "", "")]).rstrip() + "\n"


def _sections(model: type[BaseModel], path: str, title: str) -> Iterator[str]:
    plain = {name: field for name, field in model.model_fields.items() if group_of(field) is None}
    if plain:
        if title:
            yield f"## {title}\n"
        yield "| variable | unit | default | meaning |\n|---|---|---|---|"
        for name, field in plain.items():
            yield from _rows(path + name, field)
        yield ""
    for name, field in model.model_fields.items():
        below = group_of(field)
        if below:
            for key, default in _known_names(field).items():
                yield from _of_name(below, f"{path}{name}.{key}", default)
            inner = f"{path}{name}." + ("<name>." if is_keyed(field) else "")
            optional = " (optional)" if not field.is_required() and field.default is None else ""
            others = ", of others" if _known_names(field) else ""
            yield from _sections(below, inner, inner.rstrip(".") + optional + others)


def _known_names(field: FieldInfo) -> Mapping[str, Any]:
    """What a mapping has by default, by name; a name's value has a default of its own."""
    return field.default if is_keyed(field) and isinstance(field.default, Mapping) else {}


def _of_name(model: type[BaseModel], path: str, default: BaseModel) -> Iterator[str]:
    yield f"## {path}\n"
    yield "| variable | unit | default | meaning |\n|---|---|---|---|"
    for name, field in model.model_fields.items():
        yield _row(f"{path}.{name}", field, f"`{_plain(getattr(default, name))}`")
    yield ""


def _rows(path: str, field: FieldInfo) -> Iterator[str]:
    for name, default in _known_names(field).items():
        yield _row(f"{path}.{name}", field, f"`{_plain(default)}`")
    if not _known_names(field):
        yield _row(path, field, _default(field))


def _row(path: str, field: FieldInfo, default: str) -> str:
    name = variable(path.split(".")).replace("<NAME>", "<name>")
    return f"| `{name}` | {_unit(field)} | {default} | {_text(field)} |"


def _text(field: FieldInfo) -> str:
    choices = [choice for choice in _choices(field.annotation) if isinstance(choice, str)]
    listed = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    return ((field.description or "") + listed).replace("|", "\\|").replace("\n", " ")


def _choices(annotation: Any) -> tuple[Any, ...]:
    arguments = get_args(annotation)
    return arguments if arguments and not any(isinstance(item, type) for item in arguments) else ()


def _unit(field: FieldInfo) -> str:
    """Its own, or that of a mapping's values."""
    values = [item for each in get_args(field.annotation) for item in getattr(each, "__metadata__", ())]
    extras = [field.json_schema_extra, *(getattr(item, "json_schema_extra", None) for item in values)]
    return next((str(extra["unit"]) for extra in extras if isinstance(extra, dict) and "unit" in extra), "")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, tuple):
        value = ",".join(_plain(item) for item in value)
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)
