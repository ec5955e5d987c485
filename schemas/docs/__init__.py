"""Generators: JSON Schemas, AsyncAPI, reference pages and examples, all from the operations table."""
