"""The faults of the matrix, injected into real processes, and the auditor that judges what became of every command."""
