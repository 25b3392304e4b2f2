"""Azure's own package for phone numbers, unmodified, with nothing but a connection string."""

import time
from typing import Any
from uuid import uuid4

import pytest
from azure.communication.phonenumbers import (
    AvailablePhoneNumber,
    PhoneNumberCapabilities,
    PhoneNumbersClient,
    PhoneNumbersReservation,
)
from azure.communication.phonenumbers.aio import PhoneNumbersClient as AsyncPhoneNumbersClient
from azure.communication.sms import SmsClient
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)

from tests.support.azure_numbers import QUICK
from tests.support.node import Node

pytestmark = pytest.mark.peer

BOTH = "inbound+outbound"
TEXTS = PhoneNumberCapabilities(calling="none", sms=BOTH)
RECIPIENT = "+12065550100"


@pytest.fixture(scope="module")
def client(running: Node) -> PhoneNumbersClient:
    return PhoneNumbersClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca), retry_total=0
    )


def search(client: PhoneNumbersClient, area: str = "503", quantity: int = 1, **more: Any) -> Any:
    return client.begin_search_available_phone_numbers(
        "US", "geographic", "application", TEXTS, area_code=area, quantity=quantity, **QUICK, **more
    ).result()


def bought(client: PhoneNumbersClient, area: str = "503", quantity: int = 1) -> list[str]:
    found = search(client, area, quantity)
    client.begin_purchase_phone_numbers(found.search_id, **QUICK).result()
    return list(found.phone_numbers)


def reserve(client: PhoneNumbersClient, *numbers: AvailablePhoneNumber) -> PhoneNumbersReservation:
    return client.create_or_update_reservation(reservation_id=str(uuid4()), numbers_to_add=list(numbers))


def browse(client: PhoneNumbersClient, *prefixes: str) -> list[AvailablePhoneNumber]:
    return list(
        client.browse_available_phone_numbers(
            country_code="US",
            phone_number_type="geographic",
            sms_capability=BOTH,
            phone_number_prefixes=list(prefixes),
        ).phone_numbers
    )


def test_from_a_search_to_a_release(running: Node, client: PhoneNumbersClient) -> None:
    found = search(client, quantity=2)
    assert all(number.startswith("+1503") for number in found.phone_numbers)
    assert (found.phone_number_type, found.assignment_type) == ("geographic", "application")
    assert (found.capabilities.calling, found.capabilities.sms) == ("none", BOTH)
    assert (found.cost.amount, found.cost.currency_code, found.cost.billing_frequency) == (
        1.25,
        "USD",
        "monthly",
    )
    assert 800 < found.search_expires_by.timestamp() - time.time() < 901
    assert found.is_agreement_to_not_resell_required is False
    assert client.begin_purchase_phone_numbers(found.search_id, **QUICK).result() is None
    number = found.phone_numbers[0]
    mine = client.get_purchased_phone_number(number)
    assert (mine.id, mine.phone_number, mine.country_code) == (number[1:], number, "US")
    assert (mine.capabilities.sms, mine.cost.amount) == (BOTH, 1.25)
    assert number in [one.phone_number for one in client.list_purchased_phone_numbers()]
    updated = client.begin_update_phone_number_capabilities(number, sms="outbound", **QUICK).result()
    assert (updated.capabilities.calling, updated.capabilities.sms) == ("none", "outbound")
    for each in found.phone_numbers:
        client.begin_release_phone_number(each, **QUICK).result()
        with pytest.raises(ResourceNotFoundError) as gone:
            client.get_purchased_phone_number(each)
        assert gone.value.error is not None
        assert gone.value.error.code == "NotFound"
        assert each in gone.value.error.message
    assert running.admin(f"/admin/numbers/%2B{number[1:]}")["state"] == "released"


async def test_the_async_client_does_the_same(running: Node) -> None:
    async with AsyncPhoneNumbersClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca)
    ) as client:
        searching = await client.begin_search_available_phone_numbers(
            "US", "geographic", "application", TEXTS, area_code="541", quantity=2, **QUICK
        )
        found = await searching.result()
        await (await client.begin_purchase_phone_numbers(found.search_id, **QUICK)).result()
        first, second = found.phone_numbers
        mine = [one.phone_number async for one in client.list_purchased_phone_numbers()]
        assert {first, second} <= set(mine)
        updating = await client.begin_update_phone_number_capabilities(first, calling="inbound", **QUICK)
        assert (await updating.result()).capabilities.calling == "inbound"
        assert (await client.get_purchased_phone_number(first)).capabilities.calling == "inbound"
        for number in (first, second):
            await (await client.begin_release_phone_number(number, **QUICK)).result()
        with pytest.raises(ResourceNotFoundError):
            await client.get_purchased_phone_number(first)
        seen = await client.browse_available_phone_numbers(
            country_code="US", phone_number_type="geographic", phone_number_prefixes=["+1541"]
        )
        mine_id = str(uuid4())
        made = await client.create_or_update_reservation(
            reservation_id=mine_id, numbers_to_add=[seen.phone_numbers[0]]
        )
        assert made.status == "active"
        assert mine_id in [one.id async for one in client.list_reservations()]
        await (await client.begin_purchase_reservation(mine_id, **QUICK)).result()
        assert (await client.get_reservation(mine_id)).status == "completed"
        assert [one.country_code async for one in client.list_available_countries()] == ["FR", "GB", "US"]
        looked_up = await client.search_operator_information(RECIPIENT)
        assert looked_up.values[0].international_format == "+1 206-555-0100"


def test_a_bought_number_sends_and_receives_until_it_is_released(
    running: Node, client: PhoneNumbersClient
) -> None:
    (number,) = bought(client)
    sms = SmsClient.from_connection_string(running.connection_string, connection_verify=str(running.ca))
    (sent,) = sms.send(from_=number, to="+12065550107", message="Hello")  # a recipient that answers
    running.wait_for_state(sent.message_id, "delivered")
    until = time.monotonic() + 30
    while not any(one["to"] == number for one in running.messages("inbound")):
        assert time.monotonic() < until
        time.sleep(0.02)
    client.begin_update_phone_number_capabilities(number, sms="inbound", **QUICK).result()
    with pytest.raises(ClientAuthenticationError) as refused:
        sms.send(from_=number, to=RECIPIENT, message="Hello")
    assert refused.value.error is not None
    assert "outbound SMS" in refused.value.error.message
    client.begin_update_phone_number_capabilities(number, sms=BOTH, **QUICK).result()
    assert sms.send(from_=number, to=RECIPIENT, message="Hello")[0].successful
    client.begin_release_phone_number(number, **QUICK).result()
    with pytest.raises(ClientAuthenticationError):
        sms.send(from_=number, to=RECIPIENT, message="Hello")
    assert running.message(sent.message_id)["message"]["state"] == "delivered"  # what was is kept


def test_the_first_number_is_a_bought_one(running: Node, client: PhoneNumbersClient) -> None:
    first = client.get_purchased_phone_number(running.number)
    assert (first.phone_number_type, first.cost.amount, first.country_code) == ("geographic", 1.0, "US")
    assert running.admin(f"/admin/numbers/%2B{running.number[1:]}")["state"] == "owned"


def test_lists_come_in_pages(client: PhoneNumbersClient) -> None:
    numbers = bought(client, "541", 7)
    pages = [
        [one.phone_number for one in page] for page in client.list_purchased_phone_numbers(top=3).by_page()
    ]
    assert all(len(page) <= 3 for page in pages)
    assert len(pages) >= 3
    listed = [number for page in pages for number in page]
    assert listed == sorted(set(listed))
    assert set(numbers) <= set(listed)
    assert [one.phone_number for one in client.list_purchased_phone_numbers(skip=2)] == listed[2:]
    made = {reserve(client).id for _ in range(5)}
    by_page = [[one.id for one in page] for page in client.list_reservations(max_page_size=2).by_page()]
    assert all(len(page) <= 2 for page in by_page)
    assert made <= {one for page in by_page for one in page}
    for number in numbers:
        client.begin_release_phone_number(number, **QUICK).result()


def test_what_can_be_had_is_listed(running: Node, client: PhoneNumbersClient) -> None:
    assert [(one.country_code, one.localized_name) for one in client.list_available_countries()] == [
        ("FR", "France"),
        ("GB", "United Kingdom"),
        ("US", "United States"),
    ]
    german = PhoneNumbersClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca), accepted_language="de-CH, en;q=0.5"
    )
    assert next(german.list_available_countries()).localized_name == "Frankreich"
    towns = {one.localized_name: one for one in client.list_available_localities("US")}
    assert towns["Portland"].administrative_division.abbreviated_name == "OR"
    assert towns["Portland"].administrative_division.localized_name == "Oregon"
    oregon = client.list_available_localities("US", administrative_division="OR", max_page_size=1)
    assert [one.localized_name for one in oregon] == ["Eugene", "Portland"]
    codes = client.list_available_area_codes(
        "US", "geographic", locality="Portland", administrative_division="OR", assignment_type="application"
    )
    assert [one.area_code for one in codes] == ["503"]
    assert [one.area_code for one in client.list_available_area_codes("US", "tollFree")] == ["800", "833"]
    offers = list(client.list_available_offerings("GB", phone_number_type="mobile"))
    assert [(one.phone_number_type, one.cost.amount, one.cost.currency_code) for one in offers] == [
        ("mobile", 1.5, "GBP")
    ]
    assert list(client.list_available_localities("CA")) == []


def test_numbers_are_browsed_reserved_and_bought(client: PhoneNumbersClient) -> None:
    seen = browse(client, "+1503")
    assert {one.status for one in seen} == {"available"}
    assert all(one.phone_number is not None and one.phone_number.startswith("+1503") for one in seen)
    first, second, third = seen[:3]
    made = reserve(client, first, second)
    assert made.id is not None
    assert made.expires_at is not None
    assert made.phone_numbers is not None
    assert 800 < made.expires_at.timestamp() - time.time() < 901
    assert {one.status for one in made.phone_numbers.values()} == {"reserved"}
    assert not {one.id for one in browse(client, "+1503")} & {first.id, second.id}
    changed = client.create_or_update_reservation(
        reservation_id=made.id, numbers_to_add=[third], numbers_to_remove=[str(first.id)]
    )
    assert changed.phone_numbers is not None
    assert set(changed.phone_numbers) == {second.id, third.id}
    client.begin_purchase_reservation(made.id, **QUICK).result()
    done = client.get_reservation(made.id)
    assert done.phone_numbers is not None
    assert (done.status, {one.status for one in done.phone_numbers.values()}) == ("completed", {"purchased"})
    assert client.get_purchased_phone_number(str(third.phone_number)).id == third.id
    with pytest.raises(ResourceExistsError):
        client.create_or_update_reservation(reservation_id=made.id, numbers_to_add=[first])
    with pytest.raises(ResourceExistsError):
        client.delete_reservation(made.id)


def test_what_another_has_fails_alone(client: PhoneNumbersClient) -> None:
    mine, other = browse(client, "+1503")[:2]
    reserve(client, mine)
    partly = reserve(client, mine, other)
    assert partly.phone_numbers is not None
    status = {key: one.status for key, one in partly.phone_numbers.items()}
    assert status == {mine.id: "error", other.id: "reserved"}
    failed = partly.phone_numbers[str(mine.id)].error
    assert failed is not None
    assert failed.code == "FailedToReserveNumber"
    assert partly.id is not None
    client.delete_reservation(partly.id)
    with pytest.raises(ResourceNotFoundError):
        client.get_reservation(partly.id)
    again = reserve(client, other)
    assert again.phone_numbers is not None
    assert again.phone_numbers[str(other.id)].status == "reserved"


def test_an_agreement_not_to_resell_is_asked_for(client: PhoneNumbersClient) -> None:
    voice = PhoneNumberCapabilities(calling=BOTH, sms="none")
    found = client.begin_search_available_phone_numbers(
        "FR", "geographic", "application", voice, **QUICK
    ).result()
    assert found.is_agreement_to_not_resell_required is True
    with pytest.raises(HttpResponseError) as refused:
        client.begin_purchase_phone_numbers(found.search_id, **QUICK)
    assert (refused.value.status_code, error_of(refused.value)) == (400, ("InvalidInput", "agreeToNotResell"))
    client.begin_purchase_phone_numbers(found.search_id, agree_to_not_resell=True, **QUICK).result()


def error_of(error: HttpResponseError) -> tuple[str | None, str | None]:
    assert error.error is not None
    return error.error.code, error.error.target


def test_impossible_searches_are_refused_with_the_reason(client: PhoneNumbersClient) -> None:
    def asked(country: str = "US", kind: str = "geographic", **more: Any) -> HttpResponseError:
        with pytest.raises(HttpResponseError) as refused:
            client.begin_search_available_phone_numbers(
                country, kind, "application", more.pop("capabilities", TEXTS), **QUICK, **more
            ).result()
        return refused.value

    unknown = asked("XX")
    assert (unknown.status_code, error_of(unknown)) == (400, ("InvalidInput", "countrycode"))
    assert asked(kind="satellite").status_code == 400
    nothing = PhoneNumberCapabilities(calling="none", sms="none")
    assert error_of(asked(capabilities=nothing)) == ("InvalidInput", "capabilities")
    odd = PhoneNumberCapabilities(calling="sideways", sms="none")
    assert asked(capabilities=odd).status_code == 400
    assert asked(area_code="2O6").status_code == 400
    assert asked(quantity=10**9).status_code == 400
    sold_out = asked(area_code="999")
    assert sold_out.status_code == 200  # the operation failed, not a request
    assert "OutOfStock" in str(sold_out)


def test_a_search_finds_fewer_when_there_are_not_more(client: PhoneNumbersClient) -> None:
    found = client.begin_search_available_phone_numbers(
        "US", "shortCode", "application", TEXTS, quantity=100, **QUICK
    ).result()
    assert (len(found.phone_numbers), found.error, found.error_code) == (10, "OutOfStock", 1000)


@pytest.mark.parametrize("number", ["+15035559999", "+1234", "hello", "%2B15035559999", "+1 503 555"])
def test_a_number_that_is_not_owned_is_not_found(client: PhoneNumbersClient, number: str) -> None:
    for call in (
        lambda: client.get_purchased_phone_number(number),
        lambda: client.begin_release_phone_number(number, **QUICK),
        lambda: client.begin_update_phone_number_capabilities(number, sms=BOTH, **QUICK),
    ):
        with pytest.raises(ResourceNotFoundError) as refused:
            call()
        assert error_of(refused.value) == ("NotFound", "phonenumber")


def test_purchases_of_nothing_are_refused(client: PhoneNumbersClient) -> None:
    for call in (
        lambda: client.begin_purchase_phone_numbers(str(uuid4()), **QUICK),
        lambda: client.begin_purchase_phone_numbers("nonsense", **QUICK),
        lambda: client.begin_purchase_reservation(str(uuid4()), **QUICK),
        lambda: client.get_reservation(str(uuid4())),
        lambda: client.delete_reservation(str(uuid4())),
    ):
        with pytest.raises(ResourceNotFoundError):
            call()
    empty = reserve(client)
    with pytest.raises(HttpResponseError) as refused:
        client.begin_purchase_reservation(str(empty.id), **QUICK)
    assert refused.value.status_code == 400


def test_capabilities_cannot_exceed_what_the_number_can(client: PhoneNumbersClient) -> None:
    found = client.begin_search_available_phone_numbers(
        "GB",
        "geographic",
        "application",
        PhoneNumberCapabilities(calling="inbound", sms="none"),
        area_code="20",
        **QUICK,
    ).result()
    client.begin_purchase_phone_numbers(found.search_id, **QUICK).result()
    number = found.phone_numbers[0]
    with pytest.raises(HttpResponseError) as refused:
        client.begin_update_phone_number_capabilities(number, sms="outbound", **QUICK)
    assert (refused.value.status_code, error_of(refused.value)) == (400, ("InvalidInput", "capabilities"))


def test_operators_are_looked_up(running: Node, client: PhoneNumbersClient) -> None:
    plain = client.search_operator_information("+447400123456").values[0]
    assert (plain.national_format, plain.international_format) == ("07400 123456", "+44 7400 123456")
    assert (plain.number_type, plain.iso_country_code, plain.operator_details) == (None, None, None)
    more: Any = {"include_additional_operator_details": True}
    whole = client.search_operator_information(["+447400123456"], options=more).values[0]
    assert (whole.number_type, whole.iso_country_code) == ("mobile", "GB")
    assert whole.operator_details is None  # numbers move there, so nobody knows
    mine = client.search_operator_information(running.number, options=more).values[0]
    assert mine.operator_details is not None
    assert mine.operator_details.name == "simulated"
    assert mine.operator_details.mobile_network_code is None
    for wrong, message in (
        (["+14255550100", "+14255550101"], "Can only accept one phoneNumber"),
        ([], "A phoneNumber is required"),
        (["hello"], "not a phone number"),
        (["+999123"], "not a phone number"),
    ):
        with pytest.raises(HttpResponseError, match=message) as refused:
            client.search_operator_information(wrong)
        assert refused.value.status_code == 400


@pytest.mark.parametrize("version", ["2022-01-11-preview2", "2022-12-01", "2024-03-01-preview", "2025-02-11"])
def test_older_api_versions_work(running: Node, version: str) -> None:
    older = PhoneNumbersClient.from_connection_string(
        running.connection_string, connection_verify=str(running.ca), api_version=version
    )
    found = search(older)
    older.begin_purchase_phone_numbers(found.search_id, **QUICK).result()
    older.begin_release_phone_number(found.phone_numbers[0], **QUICK).result()
