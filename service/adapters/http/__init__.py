"""Probes, metrics and the pages, on ports of their own."""

from service.adapters.http.fleet_routes import FleetRoutes
from service.adapters.http.liveness import LOOP, Liveness
from service.adapters.http.server import ListenError, StatusServer

__all__ = ["LOOP", "FleetRoutes", "ListenError", "Liveness", "StatusServer"]
