"""Users of a resource and the tokens that prove them: ACS Identity."""
