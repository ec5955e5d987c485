"""Which brokers are supported, by the versions that they speak."""

from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.protocol.admin import ApiVersionRequest

from service.adapters.kafka.brokers import require_supported, supported
from service.runtime.ports import Unfit

END_TXN = 26


@pytest.mark.parametrize(
    ("versions", "wanted"),
    [
        ([(END_TXN, 0, 5)], True),
        ([(0, 0, 9), (END_TXN, 0, 6)], True),
        ([(END_TXN, 0, 4)], False),  # Kafka 3.9
        ([(25, 0, 5), (27, 0, 9)], False),
        ([], False),
    ],
)
async def test_kafka_4_and_later(versions: list[tuple[int, int, int]], wanted: bool) -> None:
    assert supported(versions) is wanted
    asked: list[Any] = []

    async def send(node: Any, request: Any) -> Any:
        asked.append((node, type(request)))
        return SimpleNamespace(api_versions=versions)

    client = SimpleNamespace(send=send, get_random_node=lambda: 7)
    if wanted:
        await require_supported(client)
    else:
        with pytest.raises(Unfit, match=r"^Kafka 4\.0 or later is needed"):
            await require_supported(client)
    assert asked == [(7, ApiVersionRequest)]
