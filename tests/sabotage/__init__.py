"""The guards of this code base, each dropped by hand: a test must notice."""
