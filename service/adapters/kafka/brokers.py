"""Which brokers are supported: Kafka 4.0 and later, found out by the versions of the protocol that they speak.

The group coordinator of older brokers shows an offset that was committed in a transaction some time after the
transaction has ended, so a new owner may read an old one after it has fenced its predecessor. And no older broker was
ever tested.
"""

from collections.abc import Iterable
from typing import Any, Final

from aiokafka.protocol.admin import ApiVersionRequest

from service.runtime.ports import Unfit

OLDEST: Final = "4.0"
_END_TXN: Final = 26
_SINCE: Final = 5
"""Version of EndTxn that Kafka 4.0 has introduced."""


async def require_supported(client: Any) -> None:
    """Asks one of the cluster's brokers; does nothing if it is supported.

    Args:
        client: A connected ``AIOKafkaClient``.

    Raises:
        Unfit: It is too old.
    """
    answer = await client.send(client.get_random_node(), ApiVersionRequest())
    if not supported(answer.api_versions):
        raise Unfit(
            f"Kafka {OLDEST} or later is needed, and the broker is older: after a take-over an older one may show"
            " offsets that are no longer true. Upgrade the brokers"
        )


def supported(api_versions: Iterable[tuple[int, int, int]]) -> bool:
    """Whether a broker that speaks these versions (API, first, last) is new enough."""
    return any(api == _END_TXN and last >= _SINCE for api, _, last in api_versions)
