"""Tandem: a self-hosted telephony gateway. Here its parts are joined; nothing below imports from here."""

__version__ = "0.1.0"
