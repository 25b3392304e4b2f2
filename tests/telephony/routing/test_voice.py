"""A call goes by the resource's own trunks first, then by the operator's carriers: ways of one kind."""

import pytest

from telephony.kernel.e164 import E164
from telephony.kernel.ids import ResourceId
from telephony.kernel.money import Money
from telephony.routing.compiling import compile_set
from telephony.routing.decide import Witness
from telephony.routing.ports import Attempt
from telephony.routing.router import Router, Tables
from telephony.routing.rules import Kind, RouteSet
from telephony.routing.sip_configuration.choice import Choice, CompiledRoutes
from telephony.routing.sip_configuration.configuration import Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.ports import Overall, TrunkHealth
from telephony.routing.targets import TargetKinds
from telephony.routing.voice import NO_TRUNK, VoiceRouter, Whose
from tests.support.routing import CARRIERS, route

pytestmark = pytest.mark.unit

TENANT, STRANGER = ResourceId(b"t" * 16), ResourceId(b"s" * 16)
OWN, GERMAN, AMERICAN = "+14255550100", "+4930123456", "+14165550123"
ONE, TWO, OFF = "one.example.com", "two.example.com", "off.example.com"


class Own:
    """The routes of one resource."""

    def __init__(self, *enabled: str) -> None:
        trunks = {ONE: Trunk(5061), TWO: Trunk(5062), OFF: Trunk(5063, enabled=False)}
        routes = (
            Route("nobody", r"^\+999", trunks=(ONE,)),
            Route("germany", r"^\+49", trunks=(OFF, ONE, TWO), caller_id_override="+14255550199"),
            Route("berlin", r"^\+4930", trunks=(TWO,)),
        )
        self._compiled = CompiledRoutes(SipConfiguration(trunks=trunks, routes=routes))
        self._enabled = enabled

    def choose(self, resource: ResourceId, number: E164, witness: Witness | None = None) -> Choice | None:
        return self._compiled.choose(number, self._enabled, witness) if resource == TENANT else None


class OneDown:
    def of(self, resource: ResourceId, fqdn: str, port: int) -> TrunkHealth:
        return TrunkHealth(overall=Overall.INACTIVE if fqdn == ONE else Overall.ACTIVE)


def router() -> Router:
    found = Router()
    rules = RouteSet(routes=(route(1, kind=Kind.VOICE, cost=70),))
    compiled = compile_set(rules, CARRIERS, TargetKinds())
    found.tables = Tables(compiled.outbound, 3)
    return found


def call(to: str, resource: ResourceId = TENANT) -> Attempt:
    return Attempt(resource, Kind.VOICE, to, OWN, 1_800_000_000_000_000)


def test_the_first_own_route_that_fits_decides_alone() -> None:
    voice = VoiceRouter(router(), Own(ONE, TWO, OFF))
    found = voice.ways(call("0049 30 123456"))
    assert [(way.whose, way.target, way.route, way.cost) for way in found.ways] == [
        (Whose.RESOURCE, ONE, "germany", None),
        (Whose.RESOURCE, TWO, "germany", None),
    ]
    first = found.ways[0]
    assert (first.destination, first.sender, first.prefix) == (GERMAN, "+14255550199", r"^\+49")
    assert first.trunk == Trunk(5061)


def test_what_no_own_route_is_for_goes_by_the_operators_carriers() -> None:
    voice = VoiceRouter(router(), Own(ONE))
    for attempt in (call(AMERICAN), call(GERMAN, STRANGER)):
        found = voice.ways(attempt)
        assert found.whose is Whose.OPERATOR
        assert [(way.whose, way.target, way.cost) for way in found.ways] == [
            (Whose.OPERATOR, "alpha", Money(70, "EUR"))
        ]


def test_carriers_do_not_get_what_an_own_route_took_and_cannot_carry() -> None:
    found = VoiceRouter(router(), Own()).ways(call(GERMAN))
    assert (found.whose, found.ways, found.refusal) == (Whose.RESOURCE, (), NO_TRUNK)


def test_an_own_trunk_that_is_down_stands_behind_the_others() -> None:
    found = VoiceRouter(router(), Own(ONE, TWO), OneDown()).ways(call(GERMAN))
    assert [(way.target, way.up) for way in found.ways] == [(TWO, True), (ONE, False)]


def test_what_is_no_number_goes_nowhere() -> None:
    found = VoiceRouter(router(), Own(ONE)).ways(call("nobody"))
    assert (found.whose, found.ways) == (None, ())
    assert found.refusal


def test_a_witness_hears_of_both_stages_in_their_order() -> None:
    witness = Witness()
    VoiceRouter(router(), Own(ONE, OFF)).ways(call(GERMAN), witness)
    assert [(each.rule, each.target, each.taken, each.why) for each in witness.tried] == [
        ("nobody", "", False, "its pattern is not in the number"),
        ("germany", OFF, False, "the trunk is switched off"),
        ("germany", ONE, True, "the resource's own route decides"),
        ("germany", TWO, False, "the trunk is not enabled by the operator"),
        ("berlin", "", False, "germany goes before it"),
        ("r1", "alpha", False, "the resource's own route germany takes it"),
    ]
    witness = Witness()
    VoiceRouter(router(), Own(ONE)).ways(call(AMERICAN), witness)
    assert [(each.rule, each.taken) for each in witness.tried] == [
        ("nobody", False),
        ("germany", False),
        ("berlin", False),
        ("r1", True),
    ]
