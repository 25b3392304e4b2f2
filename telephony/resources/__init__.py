"""Resources (tenants): their authorities, their access keys, and the keys of administration."""
