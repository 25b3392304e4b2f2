"""`python -m bench media`: see bench.media_engine."""

from bench.media_engine import main

__all__ = ["main"]
