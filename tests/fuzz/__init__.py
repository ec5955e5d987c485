"""Coverage-guided fuzzing of the decoder with atheris, which only the long suite and `make fuzz` need."""
