"""Text messages: their life, their encoding, and SMPP."""
