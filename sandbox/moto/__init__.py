"""S3, Glue, IAM and STS: a moto server in a process of its own, and the proxy in front of it."""
