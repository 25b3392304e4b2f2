"""What a node cannot do without, in one file: the database, the master key, the local authority."""
