"""Probes, metrics and the status page, on one port of their own."""

from service.adapters.http.liveness import Liveness
from service.adapters.http.server import ListenError, StatusServer

__all__ = ["ListenError", "Liveness", "StatusServer"]
