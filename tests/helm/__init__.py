"""The chart's generated files, without Helm."""
