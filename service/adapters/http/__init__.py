"""Probes, metrics and the status page, on one port of their own."""

from service.adapters.http.liveness import LOOP, Liveness
from service.adapters.http.server import ListenError, StatusServer

__all__ = ["LOOP", "ListenError", "Liveness", "StatusServer"]
