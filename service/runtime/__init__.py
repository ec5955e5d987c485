"""What waits and orders; owns tasks; no sockets."""
