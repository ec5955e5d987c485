"""A real, local Kafka broker in one Java process."""
