"""The Helm chart, and what generates its schema, its values.yaml and the table in its README from one model."""
