"""The fleet page in a real browser."""
