"""Whole processes of the service over fakes, in virtual time."""
