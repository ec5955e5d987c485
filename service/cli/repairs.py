"""The repairs on the command line."""

from cyclopts import App

from service.cli.backfill import backfill
from service.cli.offsets import app as offsets
from service.cli.parked import app as parked
from service.cli.reconcile import reconcile
from service.cli.skip_corrupt import skip_corrupt


def register(app: App) -> None:
    """Adds the repairs to the service's command line."""
    app.command(parked)
    app.command(reconcile, sort_key=6)
    app.command(backfill, sort_key=7)
    app.command(skip_corrupt, name="skip-corrupt", sort_key=8)
    app.command(offsets)
