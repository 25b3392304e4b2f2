"""Events that applications subscribe to by webhook: committed with their cause, delivered at least once."""
