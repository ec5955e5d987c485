"""The documents: their links, and the site that is built from them."""
