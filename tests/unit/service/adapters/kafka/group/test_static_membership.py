"""One process at a time holds an instance id, and the elder one finds out."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from aiokafka.errors import UnknownMemberIdError, for_code
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatRequest_v1, JoinGroupRequest, LeaveGroupRequest

from service.adapters.kafka.group.static_membership import (
    FencedInstanceIdError,
    StaticHeartbeat,
    StaticHeartbeatV3,
    StaticIdentity,
)

UNKNOWN = JoinGroupRequest.UNKNOWN_MEMBER_ID


class Broker:
    """Answers as it is given, and keeps what it was sent."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.answer = SimpleNamespace(error_code=0, member_id="m-1")

    async def send(self, _node: Any, request: Any, **_options: Any) -> Any:
        self.requests.append(request)
        return self.answer

    def consumer(self) -> Any:
        coordinator = SimpleNamespace(group_id="g", generation=3, member_id="m-1")
        return SimpleNamespace(_coordinator=coordinator, _client=SimpleNamespace(send=self.send))


def join(member_id: str = UNKNOWN) -> JoinGroupRequest:
    return JoinGroupRequest("g", 10_000, 20_000, member_id, "pod-1", "consumer", [])


def guarded(broker: Broker, identity: StaticIdentity) -> Callable[..., Awaitable[Any]]:
    consumer = broker.consumer()
    identity.guard(consumer)
    send: Callable[..., Awaitable[Any]] = consumer._client.send
    return send


async def test_a_member_without_an_instance_id_is_left_alone() -> None:
    broker = Broker()
    consumer = broker.consumer()
    StaticIdentity(None).guard(consumer)
    assert consumer._client.send == broker.send


async def test_a_heartbeat_asks_whether_the_place_is_still_ours() -> None:
    broker, identity = Broker(), StaticIdentity("pod-1")
    await guarded(broker, identity)(0, HeartbeatRequest("g", 3, "m-1"))
    [request] = broker.requests
    assert isinstance(request, StaticHeartbeat)
    newest = request.build(StaticHeartbeatV3)
    assert (newest.group, newest.generation_id, newest.member_id, newest.group_instance_id) == ("g", 3, "m-1", "pod-1")
    assert request.build(HeartbeatRequest_v1).member_id == "m-1"  # for brokers that know no instance ids


async def test_a_new_consumer_joins_as_who_we_were() -> None:
    broker, identity = Broker(), StaticIdentity("pod-1")
    await guarded(broker, identity)(0, join())
    await guarded(broker, identity)(0, join())
    assert [request._member_id for request in broker.requests] == [UNKNOWN, "m-1"]
    assert not identity.superseded


async def test_who_is_fenced_is_superseded_until_it_joins_again() -> None:
    broker, identity = Broker(), StaticIdentity("pod-1")
    send = guarded(broker, identity)
    await send(0, join())
    broker.answer = SimpleNamespace(error_code=FencedInstanceIdError.errno)
    await send(0, HeartbeatRequest("g", 3, "m-1"))
    assert identity.superseded
    await send(0, join())
    assert (identity.superseded, broker.requests[-1]._member_id) == (True, "m-1")
    broker.answer = SimpleNamespace(error_code=0, member_id="m-1")
    await send(0, join())
    assert not identity.superseded


async def test_a_place_that_nobody_holds_is_claimed_anew() -> None:
    broker, identity = Broker(), StaticIdentity("pod-1")
    send = guarded(broker, identity)
    await send(0, join())
    broker.answer = SimpleNamespace(error_code=UnknownMemberIdError.errno)
    await send(0, join())
    await send(0, join())
    assert [request._member_id for request in broker.requests] == [UNKNOWN, "m-1", UNKNOWN]
    assert not identity.superseded


async def test_other_requests_pass_as_they_are() -> None:
    broker, identity = Broker(), StaticIdentity("pod-1")
    broker.answer = SimpleNamespace(error_code=FencedInstanceIdError.errno)
    request = LeaveGroupRequest("g", "m-1")
    assert await guarded(broker, identity)(0, request) is broker.answer
    assert broker.requests == [request]
    assert not identity.superseded


async def test_the_client_knows_the_error_from_then_on() -> None:
    guarded(Broker(), StaticIdentity("pod-1"))
    assert for_code(82) is FencedInstanceIdError
