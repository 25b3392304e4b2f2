"""Legs of calls: SIP workers and media engines together, as the plane of calls wants them."""
