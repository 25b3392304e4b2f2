"""What an operator may set about users and tokens."""

from typing import Annotated

from msgspec import Meta, Struct


class IdentitySettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Ceilings of each resource, and the life of its signing keys."""

    max_users: Annotated[int, Meta(ge=1)] = 1_000_000
    """Users that a resource may have; beyond, making one gets 429. Some 150 bytes each."""
    tokens_per_second: Annotated[float, Meta(gt=0)] = 100.0
    """Tokens a second that one gateway issues for a resource; beyond, 429."""
    tokens_burst: Annotated[float, Meta(ge=1)] = 1000.0
    """Tokens that a resource saves up while it asks for none."""
    changes_per_second: Annotated[float, Meta(gt=0)] = 100.0
    """Users a second that a resource makes, revokes and deletes through one gateway; beyond, 429."""
    changes_burst: Annotated[float, Meta(ge=1)] = 1000.0
    """Changes that a resource saves up while it makes none."""
    key_days: Annotated[float, Meta(ge=1, le=3650)] = 30.0
    """Age at which a signing key is replaced by a fresh one. The old one verifies for 25 hours more: longer
    than any token lives."""
