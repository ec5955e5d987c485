"""A test file for each module of the service, the contract and the sandbox, in the same folders."""
