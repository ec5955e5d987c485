"""The Helm chart: rendered with two Helms against nine Kubernetes, and installed in a cluster."""
