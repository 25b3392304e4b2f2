"""Raw ids: what ACS's clients make of them, and what is none of ours."""

import pytest
from azure.communication.identity import CommunicationUserIdentifier, identifier_from_raw_id
from hypothesis import given, settings
from hypothesis import strategies as st

from telephony.identity.names import UserId, parse_raw_id, raw_id
from telephony.kernel.ids import ResourceId

pytestmark = pytest.mark.unit

GUID = st.binary(min_size=16, max_size=16)


@given(resource=GUID, user=GUID)
@settings(max_examples=50, deadline=None)
def test_an_id_is_read_back_and_is_a_communication_user_to_azures_client(
    resource: bytes, user: bytes
) -> None:
    spelled = raw_id(ResourceId(resource), UserId(user))
    assert parse_raw_id(spelled) == (resource, user)
    assert isinstance(identifier_from_raw_id(spelled), CommunicationUserIdentifier)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "8:acs:",
        "4:+14255550123",
        "8:orgid:00000000-0000-0000-0000-000000000000",
        "8:acs:00000000-0000-0000-0000-000000000000",
        "8:acs:00000000-0000-0000-0000-000000000000_",
        "8:acs:00000000-0000-0000-0000-000000000000_bob",
        "8:acs:00000000-0000-0000-0000-000000000000_00000000-0000-0000-0000-000000000000_x",
        "8:acs:00000000000000000000000000000000_00000000000000000000000000000000",
        "9:acs:00000000-0000-0000-0000-000000000000_00000000-0000-0000-0000-000000000000",
    ],
)
def test_what_else_there_is_names_no_user(text: str) -> None:
    assert parse_raw_id(text) is None


@given(st.text(max_size=120))
@settings(max_examples=50, deadline=None)
def test_any_text_ends_in_an_answer(text: str) -> None:
    parse_raw_id("8:acs:" + text)
