"""What the command line knows: it inspects and repairs, and prints nothing."""
