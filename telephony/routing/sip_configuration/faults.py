"""What can be wrong with a configuration: a table, with ACS's codes, texts and statuses.

Where ACS's own are not known, the codes follow its manner; these are marked.
"""

from enum import Enum
from typing import ClassVar, Final

from telephony.kernel.http.errors import Explained, InnerError

CODE: Final = "UnprocessableConfiguration"
OUTER: Final = "One or more request inputs are not valid."

SHOWN_CHARACTERS: Final = 60
"""Of a name that may be anything, in an error."""


class Unprocessable(Explained):
    """The configuration that a request would make cannot be."""

    status = 422
    metric = "sip_configuration"


class Contradictory(Unprocessable):
    """The same with the status that ACS gives to what is there twice, and Tandem to patterns of other
    engines."""

    status: ClassVar[int] = 400


class Fault(Enum):
    """What was wrong: code within, text within, the status is 400 instead of 422."""

    EMPTY_PATCH = ("EmptyPatch", "Patch with no data provided.", False)
    TRUNK_FQDN = ("InvalidTrunkFqdn", "Trunk with an invalid FQDN.", False)
    TRUNK_PORT = ("InvalidTrunkSipSignalingPort", "Trunk with an invalid SIP signaling port.", False)
    TRUNK_TWICE = ("DuplicatedTrunk", "There is a duplicated trunk.", True)  # ours
    TRUNKS = ("TooManyTrunks", "There are too many trunks.", False)  # ours
    DOMAIN = ("InvalidDomain", "Domain with an invalid name.", False)
    DOMAIN_TWICE = ("DuplicatedDomain", "There is a duplicated domain.", True)  # ours
    DOMAINS = ("TooManyDomains", "There are too many domains.", False)  # ours
    DOMAIN_IN_USE = ("DomainInUse", "A removed domain has trunks.", False)  # ours
    ROUTES = ("TooManyRoutes", "There are too many routes.", False)  # ours
    ROUTE_NAME = ("InvalidRouteName", "Route with an invalid name.", False)
    ROUTE_TWICE = ("DuplicatedRoute", "There is a duplicated route.", True)
    ROUTE_DESCRIPTION = ("InvalidRouteDescription", "Route with an invalid description.", False)  # ours
    ROUTE_PATTERN = ("InvalidRouteNumberPattern", "Route with an invalid number pattern.", False)
    ROUTE_PATTERN_SYNTAX = ("InvalidRouteNumberPattern", "Route with an invalid number pattern.", True)
    ROUTE_TRUNKS = ("TooManyRouteTrunks", "Route with too many trunks.", False)  # ours
    ROUTE_TRUNK_TWICE = ("RouteWithDuplicatedTrunk", "There is a duplicated trunk in a route.", True)
    ROUTE_CALLER = (
        "InvalidRouteCallerIdOverride",
        "Route with an invalid caller ID override.",
        False,
    )  # ours
    MISSING_TRUNK = ("MissingTrunk", "Route targeting a missing trunk.", False)


def wrong(fault: Fault, target: str, more: str = "") -> Unprocessable:
    """Return the error for a fault: `target` is its place in the configuration, `more` says what of it."""
    code, text, contradictory = fault.value
    kind = Contradictory if contradictory else Unprocessable
    words = f"{OUTER} {target}: {more or text}" if target else f"{OUTER} {more or text}"
    return kind(words, code=CODE, target=target or None, inner=InnerError(code, text))
