"""Parked commands, drift between changelog and AWS, lost and corrupt changelogs."""
