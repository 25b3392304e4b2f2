"""Usage: what interactions cost, what they add up to, and the limits within which they happen."""
