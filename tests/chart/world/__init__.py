"""What runs inside the cluster around the service: Kafka, Clean Rooms ML, and a client of the service."""
