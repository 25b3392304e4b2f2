"""The SIP edge: Kamailio before the workers, its configuration made of ours."""
