"""Whether Kafka and AWS can be used, and what to do if they cannot."""
