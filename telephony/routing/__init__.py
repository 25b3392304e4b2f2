"""Routing: where a call or a message goes, and why. Whatever decides here is pure."""
