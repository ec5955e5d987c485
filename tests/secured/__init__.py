"""The service behind TLS, SASL and ACLs, on a real Kafka that asks for all of them."""
