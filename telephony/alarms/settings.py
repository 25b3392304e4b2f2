"""What an operator may set about alarms."""

from typing import Annotated

from msgspec import Meta, Struct


class AlarmSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When something counts as wrong, and for how long it has to be so."""

    every_seconds: Annotated[float, Meta(gt=0, le=3600)] = 5.0
    """How often everything is looked at."""
    after_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 30.0
    """How long something has to be wrong before an alarm is raised."""
    clear_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60.0
    """How long it has to be right again before the alarm is cleared: what comes and goes is one alarm."""
    disk_percent: Annotated[int, Meta(ge=6, le=100)] = 90
    """How full the data folder's disk may be, in percent; the alarm is cleared 5 percent below."""
    certificate_days: Annotated[int, Meta(ge=1, le=365)] = 14
    """How long the certificate has to be valid still. One of the local authority's is renewed at 30 days."""
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] = 90
    """How long a cleared alarm can still be looked up."""
