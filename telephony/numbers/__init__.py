"""The inventory of numbers: which resource owns which, and which carrier brings it."""
