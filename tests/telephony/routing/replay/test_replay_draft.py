"""A draft with a mistake names the part, the key and what is wrong, before anything is replayed."""

import pytest

from telephony.kernel.errors import InvalidRequest
from telephony.routing.replay.draft import Draft, SheetDraft, prepare
from telephony.routing.rules import RouteSet
from telephony.routing.targets import TargetKinds
from telephony.usage.sheet import Sheet
from tests.support.routing import CARRIERS, route

pytestmark = pytest.mark.unit

NOBODY = "0197f000-0000-7000-8000-000000000000"
GOOD = SheetDraft(("prefix", "price", "kind"), ("49,0.01,sms",))


@pytest.mark.parametrize(
    ("draft", "target", "text"),
    [
        (Draft(), "draft", "nothing in it"),
        (
            Draft(operator=RouteSet(routes=(route(1), route(2, target="nobody")))),
            "operator.routes[1].target",
            "There is no carrier 'nobody'",
        ),
        (Draft(resources={NOBODY: RouteSet()}), f"resources.{NOBODY}", "no resource of this id"),
        (Draft(rates={"new": GOOD}), "rates.new.currency", "say the currency"),
        (
            Draft(rates={"new": SheetDraft(("prefix", "prize"), (), "EUR")}),
            "rates.new.columns",
            "There is no column 'prize'",
        ),
        (
            Draft(rates={"new": SheetDraft(GOOD.columns, ("49,0.01,sms", "x,1,sms", "49,2,sms"), "EUR")}),
            "rates.new.lines[1]",
            "line 3: prefix: expected up to 15 digits",
        ),
        (Draft(rates={"new": SheetDraft(GOOD.columns, (), "EUR")}), "rates.new", "no rates"),
        (
            Draft(rates={"new": SheetDraft(GOOD.columns, (), "EUR", ":")}),
            "rates.new.delimiter",
            "expected a comma",
        ),
    ],
)
def test_a_mistake_is_named_at_its_place(draft: Draft, target: str, text: str) -> None:
    with pytest.raises(InvalidRequest) as refused:
        prepare(draft, carriers=CARRIERS, kinds=TargetKinds(), knows=lambda _: False, sheet=lambda _: None)
    assert refused.value.target == target
    assert text in refused.value.message


def test_a_sheet_is_in_the_currency_of_the_one_in_force_unless_it_says_another() -> None:
    known = Sheet("new", 1, "CHF", [])
    made = prepare(
        Draft(rates={"new": GOOD}),
        carriers=CARRIERS,
        kinds=TargetKinds(),
        knows=lambda _: True,
        sheet=lambda _: known,
    )
    assert [(sheet.name, sheet.currency, len(sheet)) for sheet in made.sheets.values()] == [("new", "CHF", 1)]
