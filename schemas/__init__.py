"""The contract that other services rely on."""
