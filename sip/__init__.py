"""SIP: the edge, workers and media. Empty so far: calls come after messages."""
