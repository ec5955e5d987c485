"""What the service and the client share about aiokafka: security, and stopping a client."""
