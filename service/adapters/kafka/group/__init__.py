"""Membership of the consumer group, and the records that it delivers."""
