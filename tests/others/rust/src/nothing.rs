//! Nothing: the vendored files are what is wanted.
