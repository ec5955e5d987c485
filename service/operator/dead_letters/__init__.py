"""Dead letters: reading them, and sending their originals back to where they came from."""
