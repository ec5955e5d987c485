"""Kafka in front of AWS Clean Rooms ML."""
