"""Faults of replicas: killed, frozen, stopped, joined."""

from tests.faults.lab import Lab
from tests.faults.runner import Mark


async def sigkill(lab: Lab, mark: Mark) -> None:
    """A replica is killed at any moment; the other one takes over when the session ends."""
    victim = lab.victim()
    mark.now()
    victim.kill()
