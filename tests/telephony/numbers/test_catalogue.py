"""What can be had, on both databases; and what the numbering plans say."""

import pytest

from telephony.kernel.errors import InvalidRequest
from telephony.kernel.money import Money
from telephony.kernel.store import Store
from telephony.numbers import catalogue
from telephony.numbers.catalogue import Place
from telephony.numbers.kinds import Assignment, Capabilities, Capability, NumberType, supersets
from telephony.numbers.plan import country_name, country_of, operator_of, plan_of
from tests.support.numbers import TEXTS, lot, searched, somebody, stocked, wanted

pytestmark = pytest.mark.wire


async def test_only_what_is_free_is_listed(store: Store) -> None:
    await stocked(store, "+12065550100-0101")
    await stocked(store, "+14255550100", of=lot(area_code="425", locality="Bellevue", capabilities=TEXTS))
    await stocked(
        store,
        "+18005550100",
        of=lot(type=NumberType.TOLL_FREE, area_code="800", locality="", cost=Money(2_500_000, "USD")),
    )
    await stocked(
        store, "+442079460000", of=lot(country="GB", area_code="20", locality="London", division="")
    )
    assert await store.read(catalogue.countries(0, 10)) == ["GB", "US"]
    assert await store.read(catalogue.countries(1, 1)) == ["US"]
    towns = await store.read(catalogue.localities("US", 0, 10, kind=None, division="WA"))
    assert towns == [Place("Bellevue", "WA", "Washington"), Place("Seattle", "WA", "Washington")]
    by_name = await store.read(catalogue.localities("US", 0, 1, kind=None, division="Washington"))
    assert by_name == towns[:1]
    assert await store.read(catalogue.localities("US", 0, 9, kind=NumberType.TOLL_FREE, division="")) == []

    async def codes(**more: str) -> list[str]:
        filters = {"locality": "", "division": "", **more}
        query = catalogue.area_codes(
            "US", 0, 9, kind=NumberType.GEOGRAPHIC, assignment=Assignment.APPLICATION, **filters
        )
        return await store.read(query)

    assert await codes() == ["206", "425"]
    assert await codes(locality="Seattle") == ["206"]
    assert await codes(division="OR") == []
    offers = await store.read(catalogue.offerings("US", 0, 9, kind=None, assignment=None))
    assert [(one.type.value, one.capabilities.sms.value, one.cost.micros) for one in offers] == [
        ("geographic", "inbound+outbound", 1_000_000),
        ("geographic", "inbound+outbound", 1_000_000),
        ("tollFree", "inbound+outbound", 2_500_000),
    ]
    person = catalogue.offerings("US", 0, 9, kind=None, assignment=Assignment.PERSON)
    assert await store.read(person) == []
    await searched(store, somebody(), wanted(2, area_code="206"))
    assert await codes() == ["425"]


def test_capabilities_are_a_mask_of_four_bits() -> None:
    for mask in range(16):
        assert Capabilities.of(mask).mask == mask
        enough = {other for other in range(16) if Capabilities.of(other).includes(Capabilities.of(mask))}
        assert set(supersets(mask)) == enough
    assert Capabilities.of(0) == Capabilities(Capability.NONE, Capability.NONE)


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("", "Germany"),
        ("de", "Deutschland"),
        ("fr-CA, de;q=0.5", "Allemagne"),
        ("de;q=0.1, fr;q=0.9", "Allemagne"),
        ("tlh, xx;q=nan, *", "Germany"),
        (";;;,,,q=", "Germany"),
        ("de;q=0", "Germany"),
    ],
)
def test_a_countrys_name_is_in_the_language_that_is_asked_for(language: str, name: str) -> None:
    assert country_name("DE", language) == name


def test_countries_have_codes_of_two_letters() -> None:
    assert country_of("us") == "US"
    assert plan_of("GB").prefix == "+44"
    for wrong in ("", "XX", "USA", "+1", "ß"):
        with pytest.raises(InvalidRequest) as refused:
            country_of(wrong)
        assert (refused.value.code, refused.value.target) == ("InvalidInput", "countrycode")


def test_of_operators_only_what_is_known_is_said() -> None:
    fixed = operator_of("+442079460000")
    assert fixed is not None
    assert (fixed.country, fixed.type, fixed.name) == ("GB", "geographic", "")
    either = operator_of("+12065550100")
    assert either is not None
    assert either.type == "unknown"  # in North America a number does not tell
    nobodys = operator_of("+447700900000")
    assert nobodys is not None
    assert (nobodys.country, nobodys.type) == ("", "unknown")
    named = operator_of("+37491123456")  # where numbers do not move
    assert named is not None
    assert named.type == "mobile"
    for wrong in ("", "+", "hello", "+999123456", "12065550100", "+1", "+" + "1" * 60):
        assert operator_of(wrong) is None
