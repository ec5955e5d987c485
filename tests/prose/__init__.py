"""The prose of documentation, messages and docstrings, checked against a list of worn-out words."""
