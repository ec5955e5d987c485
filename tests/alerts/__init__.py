"""Alerts: unit tests for promtool, and each one raised by its cause; the dashboard's queries."""
