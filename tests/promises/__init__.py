"""The promises of the service, and what proves each of them."""
