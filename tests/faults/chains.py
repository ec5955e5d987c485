"""Campaigns as a publisher sends them: all commands at once, each names what it needs of the ones before."""

import json
import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.faults.ground import Ground

OUT = "dark"
"""The target that is out: nothing listens at its address."""
_GIVEN_UP = 6.0
"""Seconds after which a command to it is of no use any more."""
_LATER = 3600.0


@dataclass(frozen=True, slots=True)
class Link:
    """One command of a chain."""

    id: str
    operation: str
    data: Mapping[str, Any]
    extensions: Mapping[str, str] = field(default_factory=dict)


Chain = list[Link]


def whole(ground: Ground, name: str) -> Chain:
    """From the training data set to the export; then something that needs no data of it, and its deletion."""
    return [
        Link(f"{name}-dataset", "CreateTrainingDataset", ground.create_dataset(f"{name}-dataset")),
        _link(name, "model", "CreateAudienceModel", ground.create_model, "trainingDatasetArn", "dataset"),
        _link(name, "sizes", "CreateConfiguredAudienceModel", ground.create_configured, "audienceModelArn", "model"),
        _link(
            name,
            "audience",
            "StartAudienceGenerationJob",
            ground.start_generation,
            "configuredAudienceModelArn",
            "sizes",
        ),
        _link(name, "export", "StartAudienceExportJob", ground.start_export, "audienceGenerationJobArn", "audience"),
        Link(
            f"{name}-next",
            "CreateConfiguredAudienceModel",
            ground.create_configured(f"{name}-next"),
            after(f"{name}-export"),
        ),
        Link(
            f"{name}-end",
            "DeleteConfiguredAudienceModel",
            {"configuredAudienceModelArn": f"command:{name}-next"},
            after(f"{name}-export"),
        ),
    ]


def failing(ground: Ground, name: str) -> Chain:
    """The model can't be trained: too few users."""
    first, *others = whole(ground, name)
    return [Link(first.id, first.operation, ground.create_dataset(first.id, table="empty")), *others]


def cancelled(ground: Ground, name: str) -> Chain:
    """Cancelled before its first command was called."""
    first, *others = whole(ground, name)
    first = Link(first.id, first.operation, first.data, {"notbefore": moment(_LATER)})
    # the cancellation's source is the load's, as the chain's
    return [first, *others, Link(f"{name}-cancel", "CancelCommand", {"commandId": first.id})]


def unknown(ground: Ground, name: str) -> Chain:
    """The second command names one that was never sent."""
    first, second, *others = whole(ground, name)
    data = {**second.data, "trainingDatasetArn": f"command:{name}-nobody"}
    return [first, Link(second.id, second.operation, data), *others]


def out(ground: Ground, name: str) -> Chain:
    """The first command goes to a target that is out, and is given up."""
    first, *others = whole(ground, name)
    return [Link(first.id, first.operation, first.data, {"target": OUT, "deadline": moment(_GIVEN_UP)}), *others]


def drawn(chance: random.Random, ground: Ground, name: str) -> Chain:
    """A chain by lot; half of them are whole."""
    kinds = [whole, failing, cancelled, unknown, *([out] if not ground.tenant else [])]
    return chance.choices(kinds, [len(kinds) - 1, *[1] * (len(kinds) - 1)])[0](ground, name)


def after(*names: str) -> Mapping[str, str]:
    """The extension for an order without data."""
    return {"after": json.dumps(names)}


def moment(seconds: float) -> str:
    """A time from now, as extensions have it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _link(
    name: str, own: str, operation: str, make: Callable[[str], Mapping[str, Any]], member: str, before: str
) -> Link:
    data = {**make(f"{name}-{own}"), member: f"command:{name}-{before}"}
    return Link(f"{name}-{own}", operation, data)
