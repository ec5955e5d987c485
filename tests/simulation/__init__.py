"""The real shard code over fakes, on a virtual clock and a seeded scheduler: a seed is a schedule."""
