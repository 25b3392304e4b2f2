"""A carrier as data."""
