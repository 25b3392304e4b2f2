"""The HTTP conventions of ACS, once, for every plane."""
