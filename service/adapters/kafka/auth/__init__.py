"""How the service authenticates to Kafka: TLS, SASL, OAuth and MSK IAM."""
