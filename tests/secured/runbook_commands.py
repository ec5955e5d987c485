"""The commands of the runbooks and of the page on repair: where they are, and in which state each has work to do."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = (*sorted((ROOT / "docs" / "runbooks").glob("*.md")), ROOT / "docs" / "howto" / "repair.md")

SERVING, CORRUPT, DISPLACED, LOST = "serving", "corrupt", "displaced", "lost"
"""States: a service with parked commands, dead letters and more; a changelog with unreadable records; one whose topic
was recreated; one that is gone. In the last three the service is stopped."""

_PROGRAM: Final = "python -m service "
_FENCED: Final = re.compile(r"^ *```[a-z]*\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_CODE: Final = re.compile(r"`([^`]+)`")


@dataclass(frozen=True)
class Known:
    """A command of a page, as the test runs it.

    Attributes:
        state: In which it has work to do.
        code: Its exit code there.
        shows: Words of its output: that it has found that work.
        values: For the names in capitals, and the examples' numbers.
        component: With whose rights it runs.
    """

    state: str
    shows: str
    code: int = 0
    values: Mapping[str, str] = field(default_factory=dict)
    component: str = "repair"


def _id(name: str) -> dict[str, str]:
    return {"COMMAND-ID": name}


_CHANGELOG: Final = {"TOPIC": "{jobs}", "N": "0", "M": "{corrupt}", "--partition 3": "--partition 1", "1234": "{worse}"}
_NEW: Final = {"--partition 3": "--partition 1", "1234": "0"}

KNOWN: Final[Mapping[str, Known]] = {
    "check": Known(SERVING, "ready to run", component="service"),
    "iam": Known(SERVING, "cleanrooms-ml:CreateAudienceModel"),
    "acls --component repair": Known(SERVING, "cleanroomsml-repair", values={"{prefix}": "{prefix}"}),
    "list --sort age": Known(SERVING, "waiting"),
    "list --state waiting": Known(SERVING, "waiting"),
    "list --state waiting --sort age": Known(SERVING, "waiting"),
    "list --state waiting --text Unknown": Known(SERVING, "held"),
    "show COMMAND-ID": Known(SERVING, "waiting NotBefore", values=_id("waiting")),
    "parked list": Known(SERVING, "--adopt {adopted}"),
    "reconcile": Known(SERVING, "no audience-model carries its marker", code=3),
    "parked resolve COMMAND-ID --adopt ARN --wait": Known(
        SERVING, "is now running", values={**_id("adopted"), "ARN": "{adopted}"}
    ),
    "parked resolve COMMAND-ID --retry --wait": Known(SERVING, "is now intended", values=_id("retried")),
    "parked resolve COMMAND-ID --fail --wait": Known(SERVING, "is now failed", values=_id("given-up")),
    "reconcile --apply": Known(SERVING, "sent resolve-"),
    "list --state started": Known(SERVING, "retried"),
    "list --state failed --ended 1h": Known(SERVING, "given-up"),
    "cancel COMMAND-ID": Known(SERVING, "cancelled", values=_id("waiting")),
    "dlq list --since 1h": Known(SERVING, "ServiceError"),
    "dlq list --since 1h --reason ServiceError": Known(SERVING, "ServiceError"),
    "dlq show PARTITION OFFSET": Known(SERVING, "ServiceError", values={"PARTITION": "0", "OFFSET": "0"}),
    "dlq replay --reason ServiceError": Known(SERVING, "1 would go to"),
    "dlq replay --reason ServiceError --apply": Known(SERVING, "1 sent to"),
    "skip-corrupt --topic TOPIC --partition N": Known(CORRUPT, "1 record of", code=3, values=_CHANGELOG),
    "skip-corrupt --topic TOPIC --partition N --offset M --i-understand": Known(
        CORRUPT, "wrote a tombstone", values=_CHANGELOG
    ),
    "skip-corrupt --topic cleanroomsml.jobs --partition 3": Known(CORRUPT, "1 record of", code=3, values=_CHANGELOG),
    "skip-corrupt --topic cleanroomsml.jobs --partition 3 --offset 1234 --i-understand": Known(
        CORRUPT, "wrote a tombstone", values=_CHANGELOG
    ),
    "offsets show": Known(DISPLACED, "the topic was deleted and recreated", code=3),
    "offsets reset": Known(DISPLACED, "Nothing was written"),
    "offsets set --topic cleanroomsml.commands --partition 3 --to 1234": Known(
        DISPLACED, "--apply sets it", values=_NEW
    ),
    "offsets set --topic cleanroomsml.commands --partition 3 --to 1234 --apply": Known(
        DISPLACED, "partition 1 will be read from offset 0", values=_NEW
    ),
    "offsets reset --apply": Known(DISPLACED, "partition 0 will be read from offset 0"),
    "topics": Known(LOST, "created {jobs}"),
    "backfill": Known(LOST, "Nothing was written"),
    "backfill --apply": Known(LOST, "wrote 1 record"),
}
"""By the words behind ``python -m service``, as the pages have them; those of a state run in this order."""


def commands_of(page: str) -> Iterator[str]:
    """The words behind ``python -m service`` of each command in a page, in fenced blocks and in the text."""
    for block in _FENCED.findall(page):
        for line in block.splitlines():
            yield from _command(line)
    for span in _CODE.findall(_FENCED.sub("", page)):
        yield from _command(" ".join(span.split()))


def bare(page: str) -> list[str]:
    """Lines of fenced blocks that do not say in which pod they run."""
    lines = [line.strip() for block in _FENCED.findall(page) for line in block.splitlines()]
    return [line for line in lines if _PROGRAM in line and not line.startswith("kubectl exec ")]


def words_of(command: str, values: Mapping[str, str], context: Mapping[str, str]) -> list[str]:
    """The command line for a state: placeholders and examples replaced.

    Args:
        command: As a page has it.
        values: What stands for what, perhaps by a name of the context, in braces.
        context: What the state has, by name; ``prefix`` is that of its topics.
    """
    for name, value in values.items():
        command = re.sub(rf"(?<![-\w]){re.escape(name)}(?![-\w])", value.format_map(context), command)
    return command.replace("cleanroomsml.", f"{context['prefix']}.").split()


def _command(text: str) -> Iterator[str]:
    _, found, words = text.partition(_PROGRAM)
    command = words.partition(" #")[0].strip()
    if found and command != "...":
        yield command
