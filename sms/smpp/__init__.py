"""SMPP 3.4: codec, session for both roles without any I/O, and the asyncio shells around it."""
