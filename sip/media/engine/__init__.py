"""The media engine: one process, one core, every RTP stream of every call of a node, in numpy batches."""
