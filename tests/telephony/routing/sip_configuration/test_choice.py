"""Which trunks a number goes to."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.kernel.e164 import E164
from telephony.routing.sip_configuration.choice import Choice, CompiledRoutes, LeftOut, Target, Use
from telephony.routing.sip_configuration.configuration import Domain, Route, SipConfiguration, Trunk
from telephony.routing.sip_configuration.faults import Unprocessable

pytestmark = pytest.mark.unit

FIRST, SECOND, OFF, AWAY, STRANGE = "a.x.com", "B.x.com", "off.x.com", "a.y.com", "strange.x.com"
TRUNKS = {
    FIRST: Trunk(1),
    SECOND: Trunk(2),
    OFF: Trunk(3, enabled=False),
    AWAY: Trunk(4),
    STRANGE: Trunk(5),
}
DOMAINS = {"x.com": Domain(), "y.com": Domain(enabled=False)}
ENABLED = frozenset({"a.x.com", "b.x.com", "off.x.com", "a.y.com"})
NUMBER = E164("+14255550100")


def compiled(*routes: Route) -> CompiledRoutes:
    return CompiledRoutes(SipConfiguration(DOMAINS, TRUNKS, routes))


def test_the_first_route_that_matches_decides_and_its_trunks_keep_their_order() -> None:
    first = Route("near", r"^\+1425", None, ("b.X.com", FIRST))
    table = compiled(Route("other", r"^\+7"), first, Route("all", ".", None, (FIRST,)))
    assert table.choose(NUMBER, ENABLED) == Choice(
        first, (Target(SECOND, Trunk(2)), Target(FIRST, Trunk(1))), ()
    )


def test_no_route_is_no_choice() -> None:
    assert compiled().choose(NUMBER, ENABLED) is None
    assert compiled(Route("other", r"^\+7", None, (FIRST,))).choose(NUMBER, ENABLED) is None


def test_a_route_without_a_usable_trunk_still_decides_and_says_why_each_is_left_out() -> None:
    table = compiled(Route("near", "1", None, (OFF, AWAY, STRANGE)), Route("all", ".", None, (FIRST,)))
    choice = table.choose(NUMBER, ENABLED)
    assert choice is not None
    assert (choice.route.name, choice.trunks) == ("near", ())
    assert choice.left_out == (
        LeftOut(OFF, Use.OFF),
        LeftOut(AWAY, Use.DOMAIN_OFF),
        LeftOut(STRANGE, Use.NOT_ENABLED),
    )


def test_nothing_is_usable_before_the_operator_enables_it() -> None:
    choice = compiled(Route("all", ".", None, (FIRST, SECOND))).choose(NUMBER, ())
    assert choice is not None
    assert choice.trunks == ()
    assert {each.why for each in choice.left_out} == {Use.NOT_ENABLED}


def test_patterns_are_searched_for_in_the_number_with_its_plus() -> None:
    table = compiled(Route("anywhere", "5550"), Route("end", "0100$"), Route("without plus", "^1425"))
    assert [route.name for route in table.matching(NUMBER)] == ["anywhere", "end"]


def test_patterns_that_cannot_be_taken_are_refused() -> None:
    with pytest.raises(Unprocessable):
        compiled(Route("n", "(?=1)"))


_patterns = st.lists(
    st.sampled_from(
        [r"^\+", "1", "42", "5", "0", r"\d", r"\d{9}", "[2-4]", "(?:12|21)", ".", "$", "7?", "^"]
    ),
    min_size=1,
    max_size=4,
).map("".join)
_routes = st.lists(st.tuples(_patterns, st.lists(st.sampled_from(list(TRUNKS)), unique=True)), max_size=12)


@settings(max_examples=150, deadline=None)
@given(_routes, st.from_regex(r"\A\+[1-9][0-9]{6,14}\Z"), st.frozensets(st.sampled_from(sorted(ENABLED))))
def test_the_choice_equals_that_of_a_naive_reference(
    listed: list[tuple[str, list[str]]], number: str, enabled: frozenset[str]
) -> None:
    routes = [Route(str(place), each, None, tuple(names)) for place, (each, names) in enumerate(listed)]
    table = compiled(*routes)
    fitting = [route for route in routes if re.search(route.number_pattern, number)]
    assert list(table.matching(E164(number))) == fitting
    choice = table.choose(E164(number), enabled)
    if not fitting:
        assert choice is None
        return
    assert choice is not None
    usable = [name for name in fitting[0].trunks if name.lower() in enabled and name in (FIRST, SECOND)]
    assert (choice.route, [each.fqdn for each in choice.trunks]) == (fitting[0], usable)
    assert len(choice.left_out) == len(fitting[0].trunks) - len(usable)
