"""Fakes, harnesses, builders and helpers that several rooms use."""
