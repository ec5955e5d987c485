"""The gate: a contract may grow, but what is published must go on working for those who rely on it.

The published contract is ``schemas/generated/published/v<version>/contract.json``, written by
``python -m schemas.docs.render --publish`` and committed. A fresh one is compared with the one of the same
``CONTRACT_VERSION``; where that version has none yet, it is new and nothing can be broken.

The direction matters. A *command* is read by the service, so it may only become laxer: what was valid stays valid. A
*reply*, *event* or *dead letter* is read by others, so it may only become stricter: what was guaranteed stays
guaranteed. Subscribers ignore members that they do not know, so members may be added.

A *correction* lets a command's schema say what the service did all along: beside a published contract stands
``corrections.json``, with each keyword that was added to it, its value, the reason, and a value which the service
refused already. The gate lets exactly these pass.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from schemas.docs.json_schemas import CONTRACT_VERSION, Schema

PUBLISHED: Final = Path(__file__).parents[1] / "generated" / "published"


@dataclass(frozen=True, slots=True)
class Break:
    """A change that breaks users of the published contract.

    Attributes:
        path: Where, as in ``commands.TagResource.data.tags``.
        rule: What kind of change.
        message: What it was and what it has become.
        now: What the keyword says now, if it is one that can be corrected.
    """

    path: str
    rule: str
    message: str
    now: Any = None

    def __str__(self) -> str:
        return f"{self.path}: {self.rule}: {self.message}"


def published(version: int = CONTRACT_VERSION, folder: Path = PUBLISHED) -> Schema | None:
    """The published contract of a version; None when there is none."""
    path = folder / f"v{version}" / "contract.json"
    return json.loads(path.read_text("utf-8")) if path.exists() else None


@dataclass(frozen=True, slots=True)
class Correction:
    """A constraint that a published schema lacked, and that the service has enforced all along.

    Attributes:
        paths: Where, as in a break; ``*`` as the name of a command stands for any.
        keyword: The keyword.
        value: What it says.
        reason: Why the service refuses it.
        refused: A value at these paths that it refuses, as the service did before.
    """

    paths: Sequence[str]
    keyword: str
    value: Any
    reason: str
    refused: Any

    def covers(self, found: Break) -> bool:
        """True when a break is this correction, and nothing else."""
        same = found.rule == self.keyword and self.holds(found.now)
        return same and self.is_at(found.path)

    def holds(self, now: Any) -> bool:
        """True when the keyword says this, or has become laxer since."""
        return now == self.value or (self.keyword == "allOf" and implies(self.value, now))

    def is_at(self, path: str) -> bool:
        """True when it is about this path."""
        _, command, rest = path.split(".", 2)
        return f"commands.{command}.{rest}" in self.paths or f"commands.*.{rest}" in self.paths


def corrections(version: int = CONTRACT_VERSION, folder: Path = PUBLISHED) -> tuple[Correction, ...]:
    """The recorded corrections of a published contract."""
    path = folder / f"v{version}" / "corrections.json"
    return (
        tuple(Correction(**row) for row in json.loads(path.read_text("utf-8"))["corrections"]) if path.exists() else ()
    )


def uncorrected(found: Iterable[Break], recorded: Sequence[Correction]) -> list[Break]:
    """The breaks that no recorded correction covers."""
    return [one for one in found if not any(each.covers(one) for each in recorded)]


def breaks(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    """Every breaking change from a published contract to a fresh one; none if the fresh one has a higher version."""
    if new["version"] > old["version"]:
        return
    if new["version"] < old["version"]:
        yield Break("version", "version", f"was {old['version']}, is {new['version']}")
    for section in ("commands", "replies", "results", "events", "deadLetters"):
        yield from _section(section, old.get(section, {}), new[section])
    for kind in new["replies"].keys() - old["replies"].keys():
        yield Break(f"replies.{kind}", "closed-set", "a publisher that waits for its reply does not know this kind")


def _section(section: str, old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[Break]:
    for name, before in old.items():
        path = f"{section}.{name}"
        after = new.get(name)
        if after is None:
            yield Break(path, "removed", "is gone")
            continue
        for fact in ("type", "key"):
            if before[fact] != after[fact]:
                yield Break(path, fact, f"was {before[fact]!r}, is {after[fact]!r}")
        for part in before.keys() - {"type", "key"}:
            compare = _incoming if section == "commands" else _outgoing
            yield from compare(f"{path}.{part}", before[part], after[part])


# --- what the service reads: nothing valid may become invalid -----------------------------------------------------


def _incoming(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    if "anyOf" in old or "anyOf" in new:
        for one in _alternatives(old):
            yield from _incoming(path, one, _rest(new))
            yield from _least([[*_incoming(path, one, other)] for other in new.get("anyOf", ())])
        return
    yield from _unknown(path, new)
    yield from _types(path, old, new, narrower=True)
    yield from _choices(path, _choice(new), _choice(old), old, new)
    for name, value in _added(old, new):
        yield Break(path, name, f"was {_said(old, name)}, is {_text(value)}", value)
    for name, tighter in _LIMITS.items():
        if name in new and (name not in old or tighter(new[name], old[name])):
            yield Break(path, name, f"was {old.get(name, 'unlimited')}, is {new[name]}", new[name])
    for name in set(new.get("required", ())) - set(old.get("required", ())):
        yield Break(f"{path}.{name}", "required", "has become required")
    members = new.get("properties", {})
    if new.get("additionalProperties") is False:
        for name in old.get("properties", {}).keys() - members.keys():
            yield Break(f"{path}.{name}", "removed", "is no longer a member")
        if old.get("additionalProperties") is not False:
            yield Break(path, "additionalProperties", "unknown members were let pass, and are refused")
    yield from _renamed(path, old, new)
    yield from _below(path, old, new, _incoming)


def _renamed(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    """Members that only one of both names: to the other they are further ones, and its rule for those counts."""
    before, after = old.get("properties", {}), new.get("properties", {})
    if isinstance(old.get("additionalProperties", {}), dict):
        for name in sorted(after.keys() - before.keys()):
            yield from _incoming(f"{path}.{name}", old.get("additionalProperties", {}), after[name])
    if isinstance(new.get("additionalProperties"), dict):
        for name in sorted(before.keys() - after.keys()):
            yield from _incoming(f"{path}.{name}", before[name], new["additionalProperties"])


# --- what others read: nothing guaranteed may be given up ----------------------------------------------------------


def _outgoing(path: str, old: Schema, new: Schema) -> Iterator[Break]:
    if "anyOf" in old or "anyOf" in new:
        for one in _alternatives(new):
            yield from _outgoing(path, _rest(old), one)
            yield from _least([[*_outgoing(path, other, one)] for other in old.get("anyOf", ())])
        return
    yield from _unknown(path, new)
    yield from _types(path, old, new, narrower=False)
    yield from _choices(path, _choice(old), _choice(new), old, new)
    for name, value in _added(new, old):
        yield Break(path, name, f"was {_text(value)}, is {_said(new, name)}")
    for name, tighter in _LIMITS.items():
        if name in old and (name not in new or tighter(old[name], new[name])):
            yield Break(path, name, f"was {old[name]}, is {new.get(name, 'unlimited')}")
    for name in set(old.get("required", ())) - set(new.get("required", ())):
        yield Break(f"{path}.{name}", "required", "is no longer guaranteed")
    for name in old.get("properties", {}).keys() - new.get("properties", {}).keys():
        yield Break(f"{path}.{name}", "removed", "is gone")
    yield from _below(path, old, new, _outgoing)


def _alternatives(schema: Schema) -> list[Schema]:
    """The schemas of which a value must fit one."""
    return [_rest(schema) | one for one in schema.get("anyOf", [{}])]


def _rest(schema: Schema) -> Schema:
    """What holds whichever of its alternatives a value fits."""
    return {name: value for name, value in schema.items() if name != "anyOf"}


def _least(found: list[list[Break]]) -> list[Break]:
    """What breaks with the best of several alternatives: nothing, if one of them fits or there are none."""
    return min(found, key=len, default=[])


# --- keywords ------------------------------------------------------------------------------------------------------

Compare = Callable[[str, Schema, Schema], Iterator[Break]]


def _more(one: float, other: float) -> bool:
    return one > other


def _less(one: float, other: float) -> bool:
    return one < other


_LIMITS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    **dict.fromkeys(("minLength", "minItems", "minProperties", "minimum"), _more),
    **dict.fromkeys(("maxLength", "maxItems", "maxProperties", "maximum"), _less),
}
"""Keyword -> whether its first value is tighter than its second."""

_TYPES: Final = frozenset({"string", "integer", "number", "boolean", "object", "array", "null"})


def _types(path: str, old: Schema, new: Schema, *, narrower: bool) -> Iterator[Break]:
    before, after = _type_set(old), _type_set(new)
    if not (before <= after if narrower else after <= before):
        yield Break(path, "type", f"was {_shown(before)}, is {_shown(after)}")


def _type_set(schema: Schema) -> frozenset[str]:
    if "const" in schema or ("enum" in schema and "type" not in schema):
        return frozenset({"string"})
    stated = schema.get("type", [])
    names = frozenset([stated] if isinstance(stated, str) else stated) or _TYPES
    return names | {"integer"} if "number" in names else names


def _shown(names: frozenset[str]) -> str:
    return "any" if names == _TYPES else " or ".join(sorted(names))


def _choice(schema: Schema) -> frozenset[str] | None:
    """The closed set of values; None for an open one."""
    if "const" in schema:
        return frozenset({schema["const"]})
    return frozenset(schema["enum"]) if "enum" in schema else None


def _choices(
    path: str, closed: frozenset[str] | None, other: frozenset[str] | None, old: Schema, new: Schema
) -> Iterator[Break]:
    """A set that is closed on one side must hold all that the other side has."""
    if closed is not None and (other is None or not other <= closed):
        yield Break(path, "enum", f"was {_listed(old)}, is {_listed(new)}")


def _listed(schema: Schema) -> str:
    values = _choice(schema)
    return "open" if values is None else ", ".join(sorted(values))


_SUBSCHEMAS: Final = {"items": "[]", "additionalProperties": ".*", "propertyNames": ".<name>"}
"""Keyword with a schema for what is below -> how a path shows it."""
_WHOLE: Final = frozenset({"pattern", "format", "not", "uniqueItems"})
_NOTES: Final = frozenset({"$comment", "title", "description", "examples", "contentMediaType"})
_COMPARED: Final = frozenset({"type", "const", "enum", "required", "properties", "allOf"})
_KNOWN: Final = _NOTES | _COMPARED | _WHOLE | _LIMITS.keys() | _SUBSCHEMAS.keys()


def _unknown(path: str, new: Schema) -> Iterator[Break]:
    """A keyword that this module does not compare would pass unseen."""
    for name in sorted(new.keys() - _KNOWN):
        yield Break(path, name, "is a keyword that this gate can't compare")


def _added(lax: Schema, strict: Schema) -> Iterator[tuple[str, Any]]:
    """What one schema says and the other does not, of keywords that can only be compared as a whole.

    Patterns can't be compared otherwise; a person decides about any change. The parts of ``allOf`` are compared singly.
    """
    for name in sorted(_WHOLE & strict.keys()):
        if strict[name] != lax.get(name):
            yield name, strict[name]
    known = [plain(part) for part in lax.get("allOf", ())]
    for part in strict.get("allOf", ()):
        if not any(implies(each, plain(part)) for each in known):
            yield "allOf", plain(part)
    for name in _SUBSCHEMAS:
        if isinstance(strict.get(name), dict) and lax.get(name, True) is True:
            yield name, strict[name]


def implies(part: Schema, other: Schema) -> bool:
    """Whether what fits one part of ``allOf`` fits another: they are equal, or one has more alternatives."""
    if part.keys() == other.keys() == {"anyOf"}:
        return all(one in other["anyOf"] for one in part["anyOf"])
    return part == other


def plain(part: Schema) -> Schema:
    """A part of ``allOf`` without its comment."""
    return {name: value for name, value in part.items() if name != "$comment"}


def _said(schema: Schema, name: str) -> str:
    return _text(schema[name]) if name in schema else "none"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _below(path: str, old: Schema, new: Schema, compare: Compare) -> Iterator[Break]:
    before, after = old.get("properties", {}), new.get("properties", {})
    for name in sorted(before.keys() & after.keys()):
        yield from compare(f"{path}.{name}", before[name], after[name])
    for keyword, shown in _SUBSCHEMAS.items():
        pair = old.get(keyword), new.get(keyword)
        if isinstance(pair[0], dict) and isinstance(pair[1], dict):
            yield from compare(f"{path}{shown}", pair[0], pair[1])
