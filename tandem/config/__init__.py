"""Configuration: one typed tree, from file, environment and flags, each value with its origin."""

from tandem.config.load import Loaded, load
from tandem.config.tree import Configuration

__all__ = ["Configuration", "Loaded", "load"]
