"""What a configuration has to be."""

from typing import Any

import pytest

from telephony.kernel.http.errors import Explained, error_reply
from telephony.routing.sip_configuration.configuration import Domain, Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.validation import check

pytestmark = pytest.mark.unit

TRUNK = "sbc.contoso.com"


def routed(*routes: Route) -> SipConfiguration:
    return SipConfiguration({}, {TRUNK: Trunk(5061)}, routes)


def many(kind: Any, count: int) -> dict[str, Any]:
    return {f"sbc{place}.contoso.com": kind for place in range(count)}


def test_everything_at_its_limit_is_taken() -> None:
    names = tuple(many(0, 250))
    route = Route("n" * 256, "1" * 1024, "d" * 1024, names, "+14255550100")
    others = tuple(Route(f"r{place}", r"^\+1\d{10}$") for place in range(249))
    check(SipConfiguration(many(Domain(), 250), many(Trunk(65535), 250), (route, *others)))


@pytest.mark.parametrize(
    ("configuration", "status", "code", "target"),
    [
        (SipConfiguration({}, {"sbc": Trunk(1)}), 422, "InvalidTrunkFqdn", "trunks.sbc"),
        (
            SipConfiguration({}, {TRUNK: Trunk()}),
            422,
            "InvalidTrunkSipSignalingPort",
            f"trunks.{TRUNK}.sipSignalingPort",
        ),
        (
            SipConfiguration({}, {TRUNK: Trunk(10**30)}),
            422,
            "InvalidTrunkSipSignalingPort",
            f"trunks.{TRUNK}.sipSignalingPort",
        ),
        (SipConfiguration({}, many(Trunk(1), 251)), 422, "TooManyTrunks", "trunks"),
        (SipConfiguration({"*.contoso.com": Domain()}), 422, "InvalidDomain", "domains.*.contoso.com"),
        (SipConfiguration(many(Domain(), 251)), 422, "TooManyDomains", "domains"),
        (
            routed(*[Route(str(place), "1") for place in range(251)]),
            422,
            "TooManyRoutes",
            "routes",
        ),
        (routed(Route(" ", "1")), 422, "InvalidRouteName", "routes[0].name"),
        (routed(Route("n" * 257, "1")), 422, "InvalidRouteName", "routes[0].name"),
        (
            routed(Route("n", "1", "d" * 1025)),
            422,
            "InvalidRouteDescription",
            "routes[0].description",
        ),
        (routed(Route("n", "")), 422, "InvalidRouteNumberPattern", "routes[0].numberPattern"),
        (
            routed(Route("a", "1"), Route("n", "1" * 1025)),
            422,
            "InvalidRouteNumberPattern",
            "routes[1].numberPattern",
        ),
        (routed(Route("n", "[")), 400, "InvalidRouteNumberPattern", "routes[0].numberPattern"),
        (routed(Route("n", r"(a)\1")), 400, "InvalidRouteNumberPattern", "routes[0].numberPattern"),
        (
            routed(Route("n", r"((\d{500}){2}){2}")),
            400,
            "InvalidRouteNumberPattern",
            "routes[0].numberPattern",
        ),
        (
            routed(*[Route(str(place), r"\d{900}" + str(place)) for place in range(250)]),
            400,
            "InvalidRouteNumberPattern",
            None,
        ),
        (routed(Route("n", "1"), Route("n", "2")), 400, "DuplicatedRoute", "routes[1].name"),
        (
            routed(Route("n", "1", None, (TRUNK, TRUNK.upper()))),
            400,
            "RouteWithDuplicatedTrunk",
            "routes[0].trunks[1]",
        ),
        (
            routed(Route("n", "1", None, ("other.contoso.com",))),
            422,
            "MissingTrunk",
            "routes[0].trunks[0]",
        ),
        (
            routed(Route("n", "1", None, tuple(many(0, 251)))),
            422,
            "TooManyRouteTrunks",
            "routes[0].trunks",
        ),
        (
            routed(Route("n", "1", caller_id_override="anonymous")),
            422,
            "InvalidRouteCallerIdOverride",
            "routes[0].callerIdOverride",
        ),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(
    configuration: SipConfiguration, status: int, code: str, target: str | None
) -> None:
    with pytest.raises(Explained) as refused:
        check(configuration)
    error = refused.value
    assert (error.status, error.code, error.inner.code) == (status, "UnprocessableConfiguration", code)
    assert error.inner.message
    if target is not None:
        assert error.target == target
    assert error.message.startswith("One or more request inputs are not valid. ")


def test_a_route_finds_its_trunk_in_any_case() -> None:
    check(routed(Route("n", "1", None, (TRUNK.upper(),))))


def test_the_error_on_the_wire_has_azures_form() -> None:
    with pytest.raises(Explained) as refused:
        check(routed(Route("n", "")))
    reply = error_reply(refused.value)
    assert (reply.status, reply.headers["x-ms-error-code"]) == (422, "UnprocessableConfiguration")
    assert (
        b'"innererror":{"code":"InvalidRouteNumberPattern",'
        b'"message":"Route with an invalid number pattern."}' in reply.body
    )


def test_patterns_that_passed_once_need_no_compiler_again() -> None:
    check(routed(Route("n", "[")), patterns=False)
