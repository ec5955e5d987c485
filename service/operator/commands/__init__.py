"""Commands as a publisher writes them, and what replies and events say of them: no more rights than a publisher's."""
