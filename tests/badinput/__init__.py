"""The 60 classes of bad input: what becomes of each, and that none gets in and none gets lost."""
