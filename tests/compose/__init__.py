"""`docker compose up` of deploy/compose.yaml, with stand-ins for images that can't be pulled."""
