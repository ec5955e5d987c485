"""The twin of AWS, made worse: targets that hang as a whole, and faults by chance."""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

from service.runtime.ports import Cause, Clock, Failure, Reply
from tests.fakes.api import FakeApi, Fault


class TwinApi(FakeApi):
    """What a test may do to it besides.

    Attributes:
        hung: Names of targets that answer nothing.
        chance: Asked for a fault of a request that nothing else was injected for; None for none.
    """

    def __init__(self, clock: Clock | None = None, targets: tuple[str, ...] = ("default",)) -> None:
        super().__init__(clock, targets)
        self.hung: set[str] = set()
        self.chance: Callable[[str], Fault | None] = lambda _: None

    async def call(
        self,
        target: str,
        operation: str,
        params: Mapping[str, Any],
        *,
        timeout: float,
        may_send: Callable[[], bool] | None = None,
        cause: Cause | None = None,
    ) -> Reply | Failure:
        if target in self.hung:
            await asyncio.sleep(timeout)
            return Failure("ReadTimeout", "hung")
        return await super().call(target, operation, params, timeout=timeout, may_send=may_send, cause=cause)

    def _fault(self, operation: str) -> Fault:
        return self.chance(operation) or super()._fault(operation)
