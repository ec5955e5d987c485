"""Static membership: one process at a time holds an instance id, and the older one gives way.

A process that joins with an instance id and no member id replaces the member that had the id: that is how a pod that
was restarted gets its partitions back at once. So a process may do it once in its life, or when the broker says that no
member has the id. Afterwards it joins under the member id that it was given, and the broker answers
``FENCED_INSTANCE_ID`` when another process has the id. Otherwise two processes would take it from each other forever.

aiokafka 0.14 needs help with it: its heartbeat does not carry the instance id, so a member that was replaced learns
that it is unknown and joins again; each of its consumers starts without a member id; and it does not know error 82.
"""

from typing import Any, Final

from aiokafka import errors
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.group import (
    HeartbeatRequest,
    HeartbeatRequest_v1,
    HeartbeatResponse_v1,
    JoinGroupRequest,
    SyncGroupRequest,
)
from aiokafka.protocol.types import Int32, Schema, String

_UNKNOWN: Final = JoinGroupRequest.UNKNOWN_MEMBER_ID


class FencedInstanceIdError(errors.BrokerResponseError):  # type: ignore[misc] # aiokafka has no types
    """Another member holds the instance id."""

    errno = 82
    message = "FENCED_INSTANCE_ID"
    description = "The broker rejected this static consumer since another consumer has joined with its instance id."


class StaticHeartbeatV3(RequestStruct):  # type: ignore[misc]
    """With an instance id, since Kafka 2.3 as static membership itself."""

    API_KEY = 12
    API_VERSION = 3
    RESPONSE_TYPE = HeartbeatResponse_v1
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("generation_id", Int32),
        ("member_id", String("utf-8")),
        ("group_instance_id", String("utf-8")),
    )


class StaticHeartbeat(Request[HeartbeatRequest_v1 | StaticHeartbeatV3]):  # type: ignore[misc]
    """A heartbeat that also asks whether this process still has the instance id."""

    API_KEY = 12

    def __init__(self, *fields: Any) -> None:
        self._fields = fields

    def build(self, request_struct_class: Any) -> Any:
        """The request; brokers that know no instance ids get none."""
        return request_struct_class(*(self._fields if request_struct_class.API_VERSION >= 3 else self._fields[:3]))


class StaticIdentity:
    """Who we are in the group, over all of a process's consumers.

    Attributes:
        superseded: Another process holds our instance id.
    """

    def __init__(self, instance_id: str | None) -> None:
        self.superseded = False
        self._instance_id = instance_id
        self._member_id = _UNKNOWN

    def guard(self, consumer: Any) -> None:
        """Makes a started consumer keep the identity; does nothing when membership is not static."""
        if self._instance_id is None:
            return
        errors.kafka_errors[FencedInstanceIdError.errno] = FencedInstanceIdError
        coordinator, client = consumer._coordinator, consumer._client
        send = client.send

        async def guarded(node_id: Any, request: Any, **options: Any) -> Any:
            if isinstance(request, HeartbeatRequest):
                request = StaticHeartbeat(
                    coordinator.group_id, coordinator.generation, coordinator.member_id, self._instance_id
                )
            elif isinstance(request, JoinGroupRequest) and request._member_id == _UNKNOWN:
                request._member_id = self._member_id
            answer = await send(node_id, request, **options)
            self._learn(request, answer)
            return answer

        client.send = guarded

    def _learn(self, request: Any, answer: Any) -> None:
        if not isinstance(request, JoinGroupRequest | SyncGroupRequest | StaticHeartbeat):
            return
        error = errors.for_code(answer.error_code)
        if error is FencedInstanceIdError:
            self.superseded = True
        elif isinstance(request, JoinGroupRequest) and error is errors.NoError:
            self._member_id, self.superseded = answer.member_id, False
        elif isinstance(request, JoinGroupRequest) and error is errors.UnknownMemberIdError:
            self._member_id = _UNKNOWN  # no process holds the id: it can be claimed again
