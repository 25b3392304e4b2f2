"""The scopes of ACS: every one is known, and nothing else."""

import pytest
from azure.communication.identity import CommunicationTokenScope

from telephony.identity.scopes import Scope, parse_scopes
from telephony.kernel.errors import InvalidRequest

pytestmark = pytest.mark.unit


def test_every_scope_of_azures_client_is_known() -> None:
    assert {scope.value for scope in Scope} == {scope.value for scope in CommunicationTokenScope} | {
        "chat.join",
        "chat.join.limited",
        "voip.join",
    }


def test_scopes_keep_their_order_and_stand_once() -> None:
    assert parse_scopes(["voip", "chat", "voip"], target="scopes") == (Scope.VOIP, Scope.CHAT)


@pytest.mark.parametrize("asked", [[], ["sms"], ["Chat"], ["chat", ""], ["chat,voip"], ["chat "]])
def test_anything_else_is_refused_with_its_field(asked: list[str]) -> None:
    with pytest.raises(InvalidRequest) as refused:
        parse_scopes(asked, target="createTokenWithScopes")
    assert refused.value.target == "createTokenWithScopes"
