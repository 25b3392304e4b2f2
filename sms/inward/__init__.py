"""Where inbound texts go: what rules say of them, done."""
