"""Azure's JavaScript package for phone numbers, unmodified: a connection string, and an authority."""

import json
from typing import Any
from uuid import uuid4

import pytest

from tests.support import javascript
from tests.support.node import Node

pytestmark = pytest.mark.peer

BOTH = "inbound+outbound"


@pytest.fixture(scope="module", autouse=True)
def packages() -> None:
    """Install what the lock names."""
    javascript.install()


def calls(running: Node, *listed: list[Any]) -> list[Any]:
    """Run calls one after another in a fresh process; return a result or an error for each."""
    return javascript.call(running, "numbers.mjs", [running.connection_string], listed)


def wish(area: str = "503", quantity: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "countryCode": "US",
        "phoneNumberType": "geographic",
        "assignmentType": "application",
        "capabilities": {"sms": BOTH, "calling": "none"},
        "areaCode": area,
        "quantity": quantity,
        **changes,
    }


def test_from_a_search_to_a_release(running: Node) -> None:
    found, bought, mine, updated, pages, sent, gone = calls(
        running,
        ["search", wish(quantity=3)],
        ["purchase", {"from": [0, "searchId"]}],
        ["get", {"from": [0, "phoneNumbers", 0]}],
        ["update", {"from": [0, "phoneNumbers", 0]}, {"sms": "outbound", "calling": "inbound"}],
        ["pages", {"top": 2}],
        ["release", {"from": [0, "phoneNumbers", 0]}],
        ["get", {"from": [0, "phoneNumbers", 0]}],
    )
    result = found["result"]
    assert len(result["phoneNumbers"]) == 3
    assert result["cost"] == {"amount": 1.25, "currencyCode": "USD", "billingFrequency": "monthly"}
    assert result["isAgreementToNotResellRequired"] is False
    assert "error" not in bought
    assert mine["result"]["id"] == result["phoneNumbers"][0][1:]
    assert mine["result"]["capabilities"] == {"sms": BOTH, "calling": "none"}
    assert updated["result"]["capabilities"] == {"sms": "outbound", "calling": "inbound"}
    assert {len(page) for page in pages["result"][:-1]} == {2}
    assert set(result["phoneNumbers"]) <= {number for page in pages["result"] for number in page}
    assert "error" not in sent
    assert (gone["error"]["status"], gone["error"]["code"]) == (404, "NotFound")


def test_reservations_from_browsing_to_buying(running: Node) -> None:
    (seen,) = calls(
        running,
        [
            "browse",
            {"countryCode": "US", "phoneNumberType": "geographic"},
            {"phoneNumberPrefixes": ["+1541"]},
        ],
    )
    first, second, third = seen["result"]["phoneNumbers"][:3]
    mine, others = str(uuid4()), str(uuid4())
    made, changed, partly, listed, bought, done, over, deleted, missing = calls(
        running,
        ["reserve", mine, {"add": [first, second]}],
        ["reserve", mine, {"add": [third], "remove": [first["id"]]}],
        ["reserve", others, {"add": [first, third]}],
        ["reservations"],
        ["purchaseReservation", mine],
        ["reservation", mine],
        ["reserve", mine, {"add": [first]}],
        ["deleteReservation", others],
        ["reservation", others],
    )
    assert (made["result"]["status"], len(made["result"]["phoneNumbers"])) == ("active", 2)
    assert set(changed["result"]["phoneNumbers"]) == {second["id"], third["id"]}
    taken = partly["result"]["phoneNumbers"]
    assert (taken[first["id"]]["status"], taken[third["id"]]["status"]) == ("reserved", "error")
    assert taken[third["id"]]["error"]["code"] == "FailedToReserveNumber"
    assert {one["id"] for one in listed["result"]} >= {mine, others}
    assert "error" not in bought
    assert done["result"]["status"] == "completed"
    assert over["error"]["status"] == 409
    assert "error" not in deleted
    assert missing["error"]["status"] == 404


def test_what_can_be_had_is_listed(running: Node) -> None:
    countries, towns, codes, free, offers = calls(
        running,
        ["countries"],
        ["localities", "US", {"administrativeDivision": "OR"}],
        ["geographic", "US", {"locality": "Portland", "administrativeDivision": "OR"}],
        ["tollFree", "US"],
        ["offerings", "GB", {"phoneNumberType": "mobile"}],
    )
    assert [one["localizedName"] for one in countries["result"]] == [
        "France",
        "United Kingdom",
        "United States",
    ]
    assert [one["localizedName"] for one in towns["result"]] == ["Eugene", "Portland"]
    assert codes["result"] == [{"areaCode": "503"}]
    assert free["result"] == [{"areaCode": "800"}, {"areaCode": "833"}]
    assert offers["result"][0]["availableCapabilities"] == {"calling": BOTH, "sms": BOTH}


def test_a_search_that_is_cancelled_gives_its_numbers_back(running: Node) -> None:
    before = running.admin("/admin/numbers?state=reserved&prefix=%2B1503")["value"]
    _, cancelled, bought = calls(
        running,
        ["search", wish(quantity=5)],
        ["cancel", {"from": [0, "searchId"]}],
        ["purchase", {"from": [0, "searchId"]}],
    )
    assert "error" not in cancelled
    assert bought["error"]["status"] == 404
    assert running.admin("/admin/numbers?state=reserved&prefix=%2B1503")["value"] == before


def test_errors_are_those_that_the_package_knows(running: Node) -> None:
    country, type_, nothing, number, search, french, refused, operators, plain = calls(
        running,
        ["search", wish(countryCode="XX")],
        ["search", wish(phoneNumberType="satellite")],
        ["search", wish(area="999")],
        ["release", "+15035559999"],
        ["purchase", str(uuid4())],
        ["search", wish(area="", countryCode="FR", capabilities={"sms": "none", "calling": BOTH})],
        ["purchase", {"from": [5, "searchId"]}],
        ["operator", ["+14255550100", "+14255550101"]],
        ["operator", ["+14255550100"], {"includeAdditionalOperatorDetails": True}],
    )
    assert (country["error"]["status"], country["error"]["code"]) == (400, "InvalidInput")
    assert type_["error"]["status"] == 400
    assert "OutOfStock" in json.dumps(nothing["error"]) or "failed" in nothing["error"]["message"]
    assert number["error"]["status"] == search["error"]["status"] == 404
    assert french["result"]["isAgreementToNotResellRequired"] is True
    assert refused["error"]["status"] == 400
    assert operators["error"]["message"] == "Can only accept one phoneNumber"
    assert plain["result"]["values"][0]["operatorDetails"] == {"name": "simulated"}
