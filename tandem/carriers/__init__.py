"""Carriers while the node works: kept in the database, applied from a folder, followed by every plane."""
