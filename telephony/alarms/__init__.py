"""Alarms: what is wrong with the node and wants somebody to look, raised once and cleared once."""
