"""Reads what the service publishes, strictly: whatever is not in the contract is an error."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from .. import cloudevents, events, strictjson
from ..cloudevents import CONTENT_TYPE, PREFIX, Headers
from ..events import AttributesData, Message, ReplyKind, StatusChangedData
from ..operations import RESOURCES

TERMINAL: Final = frozenset({"succeeded", "failed", "rejected", "parked"})


class ContractError(AssertionError):
    """What was read is not what the contract promises; the message says where."""


@dataclass(frozen=True, slots=True)
class Published:
    """A reply or an event.

    Attributes:
        topic: Where it was read, if known.
        key: The record's key.
        type: CloudEvents type.
        attributes: All CloudEvents attributes.
        data: Its data.
    """

    topic: str
    key: str
    type: str
    attributes: Mapping[str, str]
    data: Mapping[str, Any]

    @property
    def kind(self) -> str:
        """Of a reply, its kind; of an event, the resource kind."""
        if self.is_reply:
            return self.type.removeprefix(events.REPLY_PREFIX)
        return self.type.removeprefix(events.EVENT_PREFIX).removesuffix(events.EVENT_SUFFIX)

    @property
    def is_reply(self) -> bool:
        """True for a reply."""
        return self.type.startswith(events.REPLY_PREFIX)

    @property
    def is_terminal(self) -> bool:
        """True for the last reply to a command."""
        return self.is_reply and self.kind in TERMINAL


def parse(value: bytes | None, headers: Headers, key: bytes | None = None, topic: str = "") -> Published:
    """Reads a record of the replies or events topic, and checks it against the contract.

    Args:
        value: The record's value.
        headers: Its headers, as (name, bytes) pairs.
        key: Its key, checked if given.
        topic: Where it was read; only noted.

    Raises:
        ContractError: It is not what the contract promises.
    """
    envelope = cloudevents.decode(key, value, headers)
    if isinstance(envelope, cloudevents.Undecodable):
        raise ContractError(f"no CloudEvent: {envelope.message}")
    attributes = {
        name.removeprefix(PREFIX): (text or b"").decode() for name, text in headers if name.startswith(PREFIX)
    }
    media = [text for name, text in headers if name == CONTENT_TYPE]
    if media != [cloudevents.JSON_TYPE.encode()]:
        raise ContractError(f"content type is {media}")
    try:
        data = strictjson.loads(envelope.data)
    except strictjson.JsonError as error:
        raise ContractError(f"{envelope.type}: {error}") from None
    found = Published(topic, (key or b"").decode(), envelope.type, attributes, data)
    model = _model(found)
    try:
        AttributesData.model_validate(attributes)
        model.model_validate(data)
    except ValidationError as error:
        raise ContractError(f"{envelope.type}: {error}") from None
    _check_key(found, key)
    return found


def _model(found: Published) -> type[events.ReplyData] | type[StatusChangedData]:
    if found.is_reply and found.kind in set(ReplyKind):
        return events.REPLY_MODELS[ReplyKind(found.kind)]
    if not found.is_reply and found.type.endswith(events.EVENT_SUFFIX) and found.kind in RESOURCES:
        return StatusChangedData
    raise ContractError(f"{found.type} is neither a reply nor an event of the contract")


def _check_key(found: Published, key: bytes | None) -> None:
    wanted = found.data["commandId"] if found.is_reply else found.attributes.get("subject", "")
    if key is not None and found.key != wanted:
        raise ContractError(f"{found.type}: key is {found.key!r}, the contract says {wanted!r}")


def read(message: Message, topic: str = "") -> Published:
    """The same for a message that was never in Kafka."""
    return parse(message.value, message.headers, message.key, topic)


def terminal(published: Iterable[Published], command_id: str) -> Published | None:
    """The terminal reply to a command; None while there is none.

    Raises:
        ContractError: There are two different ones. (The same one again is the answer to a duplicate; one that was
            ``parked`` gets another end when a person has decided.)
    """
    ends = [one for one in published if one.is_terminal and one.data["commandId"] == command_id]
    ends = [one for one in ends if one.kind != "parked"] or ends
    if len({one.attributes["id"] for one in ends}) > 1:
        raise ContractError(f"{command_id} has {len(ends)} ends: {', '.join(one.kind for one in ends)}")
    return ends[0] if ends else None


def assert_ended(published: Iterable[Published], command_id: str, kind: str = "succeeded") -> Published:
    """Gives a command's terminal reply, which must be of a kind.

    Raises:
        ContractError: The command has not ended, or otherwise.
    """
    end = terminal(published, command_id)
    if end is None:
        raise ContractError(f"{command_id} has not ended")
    if end.kind != kind:
        raise ContractError(f"{command_id} ended as {end.kind}, not {kind}: {end.data.get('error', '')}")
    return end


def assert_numbered(published: Iterable[Published]) -> None:
    """Each resource's events count from 1 without gaps, and each knows the status before.

    Raises:
        ContractError: They do not.
    """
    last: dict[tuple[str, str], tuple[int, str | None]] = {}
    for one in published:
        if one.is_reply:
            continue
        thing = (one.kind, one.attributes["subject"])
        number, status = last.get(thing, (0, None))
        if int(one.attributes["sequence"]) != number + 1 or one.data["previousStatus"] != status:
            raise ContractError(f"{thing}: event {one.attributes['sequence']} after {number}, after status {status}")
        last[thing] = (number + 1, one.data["status"])
