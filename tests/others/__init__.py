"""Tests that others wrote, run on this service: each disagreement is a defect, or is explained."""
