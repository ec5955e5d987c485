"""Renders the reference of all settings as Markdown, from the types themselves."""

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from service.settings.loading import variable
from service.settings.model import Settings

_HEAD = """# Settings

By environment variable, or in a YAML file named by `CRML_SETTINGS` or `--settings FILE`; the environment wins.
In the file, groups nest: `kafka: {group_id: x}` is `CRML_KAFKA__GROUP_ID=x`. Lists may be JSON or separated by commas.
A secret may be read from a file instead: `..._PASSWORD_FILE` names it, such as a mounted Kubernetes secret.
Unknown settings are refused. `<name>` stands for a name of your choice; in the environment `_` stands for `-` in the
names of resource kinds and quotas.
"""


def reference() -> str:
    """The whole page."""
    return "\n".join([_HEAD, *_sections(Settings, "", "")]).rstrip() + "\n"


def _sections(model: type[BaseModel], path: str, title: str) -> Iterator[str]:
    plain = {name: field for name, field in model.model_fields.items() if _group(field) is None}
    if plain:
        if title:
            yield f"## {title}\n"
        yield "| variable | unit | default | meaning |\n|---|---|---|---|"
        for name, field in plain.items():
            yield _row(path + name, field)
        yield ""
    for name, field in model.model_fields.items():
        below = _group(field)
        if below:
            inner = f"{path}{name}." + ("<name>." if _keyed(field) else "")
            optional = " (optional)" if not field.is_required() and field.default is None else ""
            yield from _sections(below, inner, inner.rstrip(".") + optional)


def _row(path: str, field: FieldInfo) -> str:
    name = variable(path.split(".")).replace("<NAME>", "<name>")
    return f"| `{name}` | {_unit(field)} | {_default(field)} | {_text(field)} |"


def _text(field: FieldInfo) -> str:
    choices = [choice for choice in _choices(field.annotation) if isinstance(choice, str)]
    listed = f" One of {', '.join(f'`{choice}`' for choice in choices)}." if choices else ""
    return ((field.description or "") + listed).replace("|", "\\|").replace("\n", " ")


def _choices(annotation: Any) -> tuple[Any, ...]:
    arguments = get_args(annotation)
    return arguments if arguments and not any(isinstance(item, type) for item in arguments) else ()


def _unit(field: FieldInfo) -> str:
    extra = field.json_schema_extra
    return str(extra.get("unit", "")) if isinstance(extra, dict) else ""


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**required**"
    value = field.default
    if value is None or value in ("", (), {}):
        return "none"
    if isinstance(value, tuple):
        value = ",".join(_plain(item) for item in value)
    if isinstance(value, dict):
        value = ", ".join(f"{key}: {item}" for key, item in value.items())
    return f"`{_plain(value)}`"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _keyed(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is dict


def _group(field: FieldInfo) -> type[BaseModel] | None:
    candidates = [field.annotation, *get_args(field.annotation)]
    return next((item for item in candidates if isinstance(item, type) and issubclass(item, BaseModel)), None)
