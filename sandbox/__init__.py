"""A local Clean Rooms ML that really trains, and a local Kafka."""
