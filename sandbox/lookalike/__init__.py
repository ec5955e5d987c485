"""The lookalike model. Pure: arrays in, scores out."""
