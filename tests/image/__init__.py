"""The images as they are built and run: `make test-image`."""
