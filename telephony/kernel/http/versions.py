"""api-version: every ACS operation names those it takes; the texts are Azure's API guidelines'."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from telephony.kernel.errors import InvalidRequest

PARAMETER: Final = "api-version"
SUPPORTED_HEADER: Final = "api-supported-versions"


class MissingApiVersion(InvalidRequest):
    """No api-version in the query."""

    default_code = "MissingApiVersionParameter"
    metric = "api_version"


class UnsupportedApiVersion(InvalidRequest):
    """An api-version that the operation does not know."""

    default_code = "UnsupportedApiVersionValue"
    metric = "api_version"


def check_version(supported: Sequence[str], query: Mapping[str, str]) -> str:
    """Return the api-version asked for, or "" when the operation has none.

    Raises MissingApiVersion or UnsupportedApiVersion.
    """
    if not supported:
        return ""
    asked = query.get(PARAMETER)
    if not asked:
        message = f"The {PARAMETER} query parameter (?{PARAMETER}=) is required for all requests."
        raise MissingApiVersion(message, target=PARAMETER)
    if asked not in supported:
        known = ", ".join(supported)
        message = f"Unsupported {PARAMETER} '{asked[:64]}'. The supported {PARAMETER}s are '{known}'."
        raise UnsupportedApiVersion(message, target=PARAMETER)
    return asked


def all_versions(groups: Iterable[Sequence[str]]) -> tuple[str, ...]:
    """Return the versions of several operations together, oldest first (they begin with their date)."""
    return tuple(sorted({version for group in groups for version in group}))
