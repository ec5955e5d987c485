"""Faults of who we are: STS down, wrong clocks, rights taken away, passwords changed."""

import asyncio
import signal
import time
from typing import Any

import confluent_kafka.admin

from tests.faults.lab import Lab
from tests.faults.runner import Mark

_kafka: Any = confluent_kafka.admin  # its types hide what it exports
USER, PASSWORD = "service", "secret"
_ADVISORY, _MANDATORY = 12 * 60.0, 60.0
"""Lifetimes at which botocore refreshes credentials early, though it could wait; and before each use."""


async def sts_down(lab: Lab, mark: Mark) -> None:
    """STS is down, first while credentials are still good, then when they are not."""
    lab.sts.lifetime = _ADVISORY
    for worker in lab.workers:
        worker.send(signal.SIGTERM)
        await worker.ended(20)
    await lab.start()
    await asyncio.sleep(2)
    lab.sts.down, began = True, time.monotonic()
    await asyncio.sleep(4)
    waits = lab.load.waits(began, tenant="blue", ended=True)[:-4]  # the last ones are under way
    mark.figures["with good credentials"] = waits[-1]
    if waits[-1] > 3:
        mark.broken("I6", "STS", f"commands took {waits[-1]:.1f} s although the credentials are still valid")
    lab.sts.down, lab.sts.lifetime = False, _MANDATORY
    await asyncio.sleep(2)
    lab.sts.down = True
    await asyncio.sleep(5)
    lab.sts.down, lab.sts.lifetime = False, 3600.0
    mark.now()


async def clocks(lab: Lab, mark: Mark) -> None:
    """One replica's clock is ten minutes ahead, another's ten behind; each takes over from the other."""
    ahead, behind = lab.worker("k1", points=True, FAULTS_SKEW="600"), lab.worker("k2", points=True, FAULTS_SKEW="-600")
    for worker in lab.workers:
        worker.send(signal.SIGTERM)
        await worker.ended(20)
    lab.workers[:] = [ahead, behind]
    await lab.start()
    await asyncio.sleep(2)
    for victim in (ahead, behind):
        for tenant in range(len(lab.worlds)):
            await asyncio.to_thread(lab.fault, "close_after_effect", "Create*", tenant, count=2)
        await asyncio.sleep(2)
        mark.now()
        victim.kill()
        victim.start()
        await lab.balanced()


def secure(bootstrap: str) -> None:
    """The service's user and all its rights."""
    _set_password(bootstrap, PASSWORD)
    kinds = (_kafka.ResourceType.TOPIC, _kafka.ResourceType.GROUP, _kafka.ResourceType.TRANSACTIONAL_ID)
    _create(bootstrap, [_acl(kind, "*", _kafka.AclOperation.ALL, _kafka.AclPermissionType.ALLOW) for kind in kinds])


async def right_revoked(lab: Lab, mark: Mark) -> None:
    """The right to write replies is taken away for some seconds."""
    server = lab.station.broker.bootstrap
    denial = _acl(
        _kafka.ResourceType.TOPIC, lab.topic("replies"), _kafka.AclOperation.WRITE, _kafka.AclPermissionType.DENY
    )
    await asyncio.to_thread(_create, server, [denial])
    await asyncio.sleep(6)
    lives = [worker.alive for worker in lab.workers]
    await asyncio.to_thread(_delete, server, denial)
    mark.now()
    if not all(lives):
        mark.broken("I6", "replicas", "a replica ended for lack of a right")


async def password_changed(lab: Lab, mark: Mark) -> None:
    """The password, which all laboratories share, is another one for some seconds, and every connection is cut."""
    server = lab.station.broker.bootstrap
    await lab.station.together(lambda: asyncio.to_thread(_set_password, server, "another"))
    lab.proxy.cut()
    await asyncio.sleep(6)
    await lab.station.together(lambda: asyncio.to_thread(_set_password, server, PASSWORD))
    mark.now()


async def sessions_expire(lab: Lab, mark: Mark) -> None:
    """The broker closes connections that do not authenticate anew, every few seconds, for the whole run."""
    began = time.monotonic()
    await asyncio.sleep(30)
    mark.figures["longest wait"] = lab.load.waits(began)[-1]
    mark.now()


def _set_password(server: str, password: str) -> None:
    info = _kafka.ScramCredentialInfo(_kafka.ScramMechanism.SCRAM_SHA_512, 4096)
    upsertion = _kafka.UserScramCredentialUpsertion(USER, info, password.encode())
    client = _kafka.AdminClient({"bootstrap.servers": server})  # must outlive its futures
    for future in client.alter_user_scram_credentials([upsertion]).values():
        future.result(10)


def _acl(kind: Any, name: str, operation: Any, permission: Any) -> Any:
    return _kafka.AclBinding(kind, name, _kafka.ResourcePatternType.LITERAL, f"User:{USER}", "*", operation, permission)


def _create(server: str, bindings: list[Any]) -> None:
    client = _kafka.AdminClient({"bootstrap.servers": server})  # must outlive its futures
    for future in client.create_acls(bindings).values():
        future.result(10)


def _delete(server: str, binding: Any) -> None:
    wanted = _kafka.AclBindingFilter(
        binding.restype,
        binding.name,
        binding.resource_pattern_type,
        binding.principal,
        binding.host,
        binding.operation,
        binding.permission_type,
    )
    client = _kafka.AdminClient({"bootstrap.servers": server})  # must outlive its futures
    for future in client.delete_acls([wanted]).values():
        future.result(10)
