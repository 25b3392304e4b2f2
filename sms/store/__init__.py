"""The messages in the store: their tables, and every job and query on them."""
