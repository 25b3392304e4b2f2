"""Calls: legs and a bridge. What decides here is pure; signalling and media stand behind ports."""
