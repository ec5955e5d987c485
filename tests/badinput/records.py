"""Words for records as publishers send them, good and bad; every one carries a secret that no log may show."""

import json
from dataclasses import dataclass
from typing import Any

from schemas import shapes
from schemas.cloudevents import Headers
from schemas.commands import TopicRules
from schemas.permissions import TargetFacts, open_grant
from tests.support import samples

CANARY = "canary-7f3a91-do-not-log"
ACCOUNT = samples.ACCOUNT
FACTS = TargetFacts(region="eu-west-1", partition="aws")
LIMITS = TopicRules(open_grant({"default", "other"}, {"t.replies"}), "default", {"default": FACTS})
COMMAND = "cleanroomsml.command."
LIST = "ListAudienceModels"
MODEL = "CreateAudienceModel"
CONFIGURED = "CreateConfiguredAudienceModel"
GENERATION = "StartAudienceGenerationJob"
EXPORT = "StartAudienceExportJob"
POLICY = "PutConfiguredAudienceModelPolicy"
DATASET = "CreateTrainingDataset"

shapes.preload()

Said = tuple[str, str]
"""Path and rule of a violation."""


@dataclass(frozen=True)
class Record:
    """What is produced; ``{id}`` in a header stands for the command's id, which a test makes up."""

    value: bytes | None
    headers: Headers
    key: bytes | None = b"key"

    def __repr__(self) -> str:
        """Short enough to be read in a failure."""
        value = (
            self.value if self.value is None or len(self.value) < 400 else self.value[:200] + b"..." + self.value[-50:]
        )
        return f"Record({value!r}, {self.headers[:12]!r}, {(self.key or b'')[:40]!r})"


def headers(operation: str = LIST, *more: tuple[str, bytes | None], **attributes: str | None) -> Headers:
    """Headers of a command; an attribute that is None is left out."""
    given: dict[str, str | None] = {
        "specversion": "1.0",
        "id": "{id}",
        "source": "/bad",
        "type": COMMAND + operation,
        **attributes,
    }
    ours = tuple((f"ce_{name}", text.encode()) for name, text in given.items() if text is not None)
    return (*ours, ("content-type", b"application/json"), ("x-token", CANARY.encode()), *more)


def command(operation: str, data: Any, *more: tuple[str, bytes | None], **attributes: str | None) -> Record:
    """A command with the given data."""
    return Record(json.dumps(data).encode(), headers(operation, *more, **attributes))


def raw(value: bytes | None, operation: str = LIST) -> Record:
    """A command with the given bytes for data."""
    return Record(value, headers(operation))


def structured(document: Any, media: str = "application/cloudevents+json") -> Record:
    """An event with all in its value."""
    return Record(json.dumps(document).encode(), (("content-type", media.encode()),))


def changed(operation: str, *, full: bool = False, **members: Any) -> Record:
    """A valid command but for the members given; one that is None is left out."""
    data = {**samples.payload(operation, full=full), **members}
    return command(operation, {name: item for name, item in data.items() if item is not None})


def identified(record: Record, command_id: str) -> Record:
    """The record with its id filled in."""
    named = tuple((name, value and value.replace(b"{id}", command_id.encode())) for name, value in record.headers)
    value = (
        record.value
        if record.value is None or len(record.value) > 9_000
        else record.value.replace(b"{id}", command_id.encode())
    )
    return Record(value, named, record.key)
