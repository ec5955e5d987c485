"""Feeds the decoder what atheris makes up: ``python -m tests.fuzz.target CORPUS... [libFuzzer's options]``.

A record is written as text, so that a seed can be read and a finding be turned into a case: a line per header,
``name: value``, an empty line, then the value. An exception or a broken promise ends the run and leaves a file to
repeat it with.
"""

import sys

import atheris  # type: ignore[import-untyped,import-not-found,unused-ignore]

with atheris.instrument_imports(include=["schemas"]):
    from schemas import cloudevents, commands, strictjson
    from schemas.commands import NotACommand, Rejected, TopicRules
    from schemas.permissions import open_grant

LIMITS = TopicRules(open_grant({"default", "other"}, {"t.replies"}), "default")


def record(content: bytes) -> tuple[cloudevents.Headers, bytes | None]:
    """Headers and value; no empty line, no value."""
    head, gap, value = content.partition(b"\n\n")
    headers = []
    for line in head.splitlines():
        name, colon, text = line.partition(b": ")
        headers.append((name.decode("utf-8", "replace"), text if colon else None))
    return tuple(headers), value if gap else None


def one_input(content: bytes) -> None:
    """Reads one record and checks what is promised about every outcome."""
    headers, value = record(content)
    found = commands.read(b"key", value, headers, LIMITS)
    if isinstance(found, NotACommand):
        _promise(found.code and found.message, "a dead letter says why")
        return
    command = found.command if isinstance(found, Rejected) else found
    _promise(0 < len(command.id) <= 255 and 0 < len(command.source) <= 255, "an answer has an address")
    _promise(len(command.digest) == 64, "a command has a digest")
    if isinstance(found, Rejected):
        _promise(found.violations and not command.params, "a rejection says why and keeps nothing")
        str(found.message + "".join(each.message + each.path for each in found.violations)).encode()
    else:
        _promise(command.operation and command.target in LIMITS.grant.targets, "a command is complete")
        commands.canonical(command.params)
        _promise(isinstance(command.params, dict), "parameters are an object")
        strictjson.loads(commands.canonical(command.params))


def _promise(kept: object, what: str) -> None:
    if not kept:
        raise RuntimeError(f"broken promise: {what}")


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
