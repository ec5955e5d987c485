"""Commands as YAML or JSON documents: one or many, with ``${name}`` for what is known only when they are sent.

A document is a command, a list of commands, or a mapping with ``commands``: its other members are defaults, for
each command that does not give them itself. YAML is read as the settings file is: version 1.2, no key twice.
"""

import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from schemas import cloudevents
from service.settings.yaml_file import StrictLoader

MEMBERS: Final = ("operation", "id", "key", "source", "target", "extensions", "data")
"""What a command may have."""
_SHARED: Final = ("key", "source", "target", "extensions")
_PLACEHOLDER: Final = re.compile(r"\$\$\{|\$\{([^}]*)\}")
_REFERENCE: Final = "command:"


class DocumentsError(ValueError):
    """Documents that are no commands; the arguments are the problems, each naming its document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandDocument:
    """A command as it was written, not checked against the contract yet.

    Attributes:
        operation: Name of a command.
        data: Its members.
        id: CloudEvents id; empty if none was given.
        key: Kafka key; empty if none was given.
        source: CloudEvents source; empty if none was given.
        extensions: CloudEvents extensions, ``target`` among them.
        where: Which document it is, for messages.
    """

    operation: str
    data: Any
    id: str = ""
    key: str = ""
    source: str = ""
    extensions: Mapping[str, str] = field(default_factory=dict)
    where: str = ""


def parse(text: str, variables: Mapping[str, str]) -> list[CommandDocument]:
    """Reads documents.

    Args:
        text: YAML or JSON; of each, one document or more.
        variables: Values for ``${name}``; ``$${`` stands for ``${``.

    Raises:
        DocumentsError: They can't be read, or are no commands.
    """
    filling = _Filling(variables)
    try:
        documents = _documents(text, filling)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DocumentsError(_unreadable(text, error)) from error
    problems = [*filling.problems()]
    found = [each for number, one in enumerate(documents, 1) for each in _commands(one, f"document {number}", problems)]
    if not found and not problems:
        problems.append("there is no command in it")
    if problems:
        raise DocumentsError(*problems)
    return found


def parse_data(text: str, variables: Mapping[str, str]) -> Any:
    """Reads the members of one command, YAML or JSON.

    Raises:
        DocumentsError: They can't be read.
    """
    filling = _Filling(variables)
    try:
        found = _documents(text, filling)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise DocumentsError(f"data {_unreadable(text, error)}") from error
    problems = [*filling.problems(), *(line for each in found for line in _no_json(each, "--data: data"))]
    if len(found) != 1:
        problems.append(f"data: found {len(found)} documents; expected one")
    if problems:
        raise DocumentsError(*problems)
    return found[0]


def chain_problems(commands: Sequence[CommandDocument]) -> list[str]:
    """What is wrong between the commands of one call: an id twice, or a reference that could not be followed.

    A command waits only for one that was sent before, with the same source and key.
    """
    problems, before = [], dict[tuple[str, str], CommandDocument]()
    ids = {command.id for command in commands if command.id}
    for command in commands:
        identity = (command.source, command.id)
        if command.id and identity in before:
            problems.append(f"{command.where}: id {command.id} was used by {before[identity].where} already")
        for named in sorted(_references(command) & ids):
            earlier = before.get((command.source, named))
            if earlier is None:
                problems.append(f"{command.where}: refers to {named}, which is not sent before it with the same source")
            elif earlier.key != command.key:
                problems.append(
                    f"{command.where}: refers to {named}, which has the key {earlier.key}; give both the same key"
                )
        before.setdefault(identity, command)
    return problems


def as_document(command: CommandDocument) -> dict[str, Any]:
    """The members of a command that are given, in the order in which people write them."""
    named = ("operation", "id", "key", "source")
    found: dict[str, Any] = {name: text for name in named if (text := getattr(command, name))}
    extensions = dict(command.extensions)
    if target := extensions.pop("target", ""):
        found["target"] = target
    if extensions:
        found["extensions"] = extensions
    return {**found, "data": command.data}


def _references(command: CommandDocument) -> set[str]:
    found = {text.removeprefix(_REFERENCE) for text in _texts(command.data) if text.startswith(_REFERENCE)}
    try:
        after = json.loads(command.extensions.get("after", "[]"))
    except ValueError:  # the contract's check says what is wrong with it
        after = []
    return found | {each for each in (after if isinstance(after, list) else []) if isinstance(each, str)}


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


class _Filling:
    """Puts values where ``${name}`` stands, and notes names that have none and values that no name asked for."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        self._unknown: dict[str, None] = {}
        self._used: set[str] = set()

    def fill(self, text: str) -> str:
        return _PLACEHOLDER.sub(self._value, text) if "${" in text else text

    def walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.fill(value)
        if isinstance(value, dict):
            return {name: self.walk(each) for name, each in value.items()}
        return [self.walk(each) for each in value] if isinstance(value, list) else value

    def problems(self) -> Iterator[str]:
        known = ", ".join(sorted(self._variables)) or "none"
        for name in self._unknown:
            yield f"${{{name}}} has no value (set: {known}); use --set {name}=..., or $${{ for a plain ${{"
        for name in sorted(self._variables.keys() - self._used - {RUN}):
            yield f"--set {name}: there is no ${{{name}}} in it"

    def _value(self, found: re.Match[str]) -> str:
        if found[1] is None:
            return "${"
        self._used.add(found[1])
        if found[1] not in self._variables:
            self._unknown[found[1]] = None
        return self._variables.get(found[1], "")


RUN: Final = "run"
"""The variable that has the name of a scheduled run."""


def _documents(text: str, filling: _Filling) -> list[Any]:
    """JSON where the text is JSON, one value behind the other; else YAML. Empty documents are left out."""
    bare = text.lstrip("\ufeff \t\r\n")
    if bare[:1] in ("{", "["):
        try:
            return [filling.walk(each) for each in _json_values(bare)]
        except json.JSONDecodeError:
            pass  # YAML's flow style begins so too

    class Filled(StrictLoader):
        """Fills scalars before it is known what they are: an unquoted ``${size}`` may become a number."""

        def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
            node: yaml.ScalarNode = super().compose_scalar_node(anchor)
            filled = filling.fill(node.value)
            if filled != node.value:
                node.value = filled
                if node.style is None:
                    node.tag = self.resolve(yaml.ScalarNode, filled, (True, False))  # type: ignore[no-untyped-call]
            return node

    return [each for each in yaml.load_all(text, Loader=Filled) if each is not None]


def _unreadable(text: str, error: Exception) -> str:
    hint = "; within {...} and [...], put ${name} in quotes" if "${" in text else ""
    found = _of_yaml(error) if isinstance(error, yaml.MarkedYAMLError) else " ".join(str(error).split())
    return f"can't be read: {found}{hint}"


def _of_yaml(error: yaml.MarkedYAMLError) -> str:
    """What is wrong, and where, in a line."""
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    context = f" ({error.context})" if error.context else ""
    return " ".join(f"{where}{error.problem or 'is no YAML'}{context}".replace("'<stream end>'", "the end").split())


def _json_values(text: str) -> Iterator[Any]:
    decoder, position = json.JSONDecoder(object_pairs_hook=_once), 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        yield value
        position += len(text[position:]) - len(text[position:].lstrip())


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"{next(name for name in names if names.count(name) > 1)} is given twice")
    return found


def _commands(document: Any, where: str, problems: list[str]) -> Iterator[CommandDocument]:
    if isinstance(document, list):
        shared: dict[str, Any] = {}
        items = document
    elif isinstance(document, dict) and "commands" in document:
        shared = {str(name): value for name, value in document.items() if name != "commands"}
        items = document["commands"] if isinstance(document["commands"], list) else [document["commands"]]
        problems += _unknown_members(shared, _SHARED, where)
        problems += _extension_problems(shared, where)
    else:
        yield from _command(document, {}, where, problems)
        return
    for number, item in enumerate(items, 1):
        yield from _command(item, shared, f"{where}, command {number}", problems)


def _command(item: Any, shared: Mapping[str, Any], where: str, problems: list[str]) -> Iterator[CommandDocument]:
    if not isinstance(item, dict):
        problems.append(f"{where}: expected a mapping with {', '.join(MEMBERS)}; found {type(item).__name__}")
        return
    given = {**shared, **{str(name): value for name, value in item.items()}}
    own = [*_unknown_members(item, MEMBERS, where)]
    texts = {name: _text(name, given.get(name), where, own) for name in ("operation", "id", "key", "source", "target")}
    if not texts["operation"] and not own:
        own.append(f"{where}: operation is not given")
    own += _extension_problems(item, where)
    extensions = {} if own else _extensions({**_mapping(shared), **_mapping(item)})
    if texts["target"]:
        extensions["target"] = texts["target"]
    data = given.get("data", {})
    own += _no_json(data, f"{where}: data")
    problems += own
    if not own:
        yield CommandDocument(
            operation=texts["operation"],
            data={} if data is None else data,
            id=texts["id"],
            key=texts["key"],
            source=texts["source"],
            extensions=extensions,
            where=where,
        )


def _mapping(item: Mapping[Any, Any]) -> Mapping[Any, Any]:
    found = item.get("extensions")
    return found if isinstance(found, Mapping) else {}


def _extension_problems(item: Mapping[Any, Any], where: str) -> Iterator[str]:
    found = item.get("extensions")
    if not isinstance(found, Mapping):
        if found is not None:
            yield f"{where}: extensions must be a mapping of names to texts"
        return
    for name, value in found.items():
        if name in cloudevents.CORE:
            member = "operation" if name == "type" else name
            remedy = f"use the member {member}" if member in MEMBERS else "leave it out"
            yield f"{where}: extensions: found {name}, which is no extension; {remedy}"
        yield from _no_json(value, f"{where}: extensions: {name}")


def _extensions(found: Mapping[Any, Any]) -> dict[str, str]:
    return {str(name): _attribute(value) for name, value in found.items() if value is not None}


def _attribute(value: Any) -> str:
    """An extension's text; a list is JSON, as ``after`` wants it."""
    return value if isinstance(value, str) else json.dumps(value, default=str)


def _unknown_members(item: Mapping[Any, Any], known: Sequence[str], where: str) -> Iterator[str]:
    for name in item:
        if name not in known:
            near = difflib.get_close_matches(str(name), known, n=1)
            expected = f"perhaps {near[0]}" if near else f"one of {', '.join(known)}"
            yield f"{where}: found {name!s}; expected {expected}"


def _text(name: str, value: Any, where: str, problems: list[str]) -> str:
    if isinstance(value, bool | float | dict | list):
        problems.append(f"{where}: {name} must be text; put it in quotes")
        return ""
    return "" if value is None else str(value)


def _no_json(value: Any, what: str) -> Iterator[str]:
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        yield f"{what} can't be written as JSON: {error}"
