"""A carrier inside: an SMSC with test numbers and named misbehaviours, in a process of its own."""
