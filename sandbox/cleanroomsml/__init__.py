"""The API of Clean Rooms ML: from the request on the wire to the stored resource and back."""
