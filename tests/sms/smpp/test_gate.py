"""Who may bind to us: decided without sockets, with time in our hand."""

import pytest

from carriers.model.networks import Networks
from sms.smpp import gate as gate_module
from sms.smpp.constants import CommandStatus
from sms.smpp.gate import REFUSED_SECONDS, WRONG_TRIES, Account, Gate, Verdict
from sms.smpp.states import BindType
from telephony.kernel.secret import Secret

pytestmark = pytest.mark.unit

TRX, TX, RX = BindType.TRANSCEIVER, BindType.TRANSMITTER, BindType.RECEIVER
HERE = "192.0.2.7"
WRONG = CommandStatus.ESME_RINVPASWD


def account(name: str = "one", **changes: object) -> Account:
    values = {
        "system_id": name,
        "password": Secret("password"),
        "addresses": Networks(["192.0.2.0/24", "2001:db8::/32"]),
        **changes,
    }
    return Account(**values)  # type: ignore[arg-type]


def gate(*accounts: Account) -> Gate:
    return Gate({each.system_id: each for each in accounts or (account(),)}.get)


def bind(
    place: Gate,
    system_id: str = "one",
    password: str = "password",
    bind_type: BindType = TRX,
    peer: str = HERE,
    now: float = 0.0,
) -> Verdict:
    return place.bind(system_id, password, bind_type, peer, now)


def test_an_account_binds_with_its_password_from_its_addresses() -> None:
    place = gate()
    verdict = bind(place)
    assert verdict.status == 0
    assert verdict.account is not None
    assert verdict.account.system_id == "one"
    assert bind(place, peer="2001:db8::1").status == 0
    assert bind(place, peer="::ffff:192.0.2.9").status == 0


def test_an_account_that_needs_a_certificate_binds_by_its_name_alone() -> None:
    place = gate(account(certificate="crm.example"))
    for names in (set[str](), {"other.example"}):
        verdict = place.bind("one", "password", TRX, HERE, 0.0, names)
        assert verdict.status == CommandStatus.ESME_RINVPASWD
        assert verdict.reason == "it has no certificate of the name it needs"
    assert place.bind("one", "password", TRX, HERE, 0.0, {"other.example", "crm.example"}).status == 0
    wrong = place.bind("one", "Password", TRX, HERE, 0.0, {"crm.example"})
    assert wrong.reason == "wrong password"


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        ({"system_id": "two"}, "there is no such account"),
        ({"system_id": ""}, "there is no such account"),
        ({"password": "Password"}, "wrong password"),
        ({"password": ""}, "wrong password"),
        ({"password": "password0"}, "wrong password"),
        ({"password": "pässword"}, "wrong password"),
        ({"peer": "192.0.3.7"}, "its address is not listed"),
        ({"peer": "::1"}, "its address is not listed"),
        ({"peer": ""}, "its address is not listed"),
    ],
)
def test_a_peer_does_not_learn_what_was_wrong_but_the_log_does(wrong: dict[str, str], reason: str) -> None:
    assert bind(gate(), **wrong) == Verdict(WRONG, reason)  # type: ignore[arg-type]


def test_an_account_without_addresses_or_password_lets_nobody_in() -> None:
    assert bind(gate(account(addresses=Networks([])))).status == WRONG
    open_door = gate(account(password=Secret("")))
    assert bind(open_door, password="").status == WRONG
    assert bind(open_door, password="\xff" * 9).status == WRONG


def test_only_the_kinds_of_bind_that_are_allowed_are() -> None:
    place = gate(account(binds=frozenset({RX})))
    assert bind(place, bind_type=RX).status == 0
    assert bind(place, bind_type=TX) == Verdict(CommandStatus.ESME_RBINDFAIL, "may not bind as transmitter")


def test_no_more_binds_stand_than_an_account_may_have() -> None:
    place = gate(account(max_binds=2), account("two"))
    assert [bind(place).status for _ in range(3)] == [0, 0, CommandStatus.ESME_RALYBND]
    assert bind(place, "two").status == 0
    place.unbound("one")
    assert place.binds("one") == 1
    assert bind(place).status == 0
    place.unbound("one")
    place.unbound("one")
    assert place.binds("one") == 0


def test_ten_wrong_tries_from_an_address_and_it_is_refused_for_five_minutes() -> None:
    place = gate()
    for each in range(WRONG_TRIES):
        assert bind(place, password=f"{each}", now=each).status == WRONG
    last = WRONG_TRIES - 1
    refused = bind(place, now=last + REFUSED_SECONDS - 1)
    assert refused == Verdict(CommandStatus.ESME_RBINDFAIL, "too many wrong tries from its address")
    assert bind(place, peer="192.0.2.8", now=last + 1).status == 0
    assert bind(place, now=last + REFUSED_SECONDS).status == 0


def test_tries_while_refused_do_not_prolong_it_and_cost_no_look_at_accounts() -> None:
    asked: list[str] = []

    def find(name: str) -> Account | None:
        asked.append(name)
        return None

    place = Gate(find)
    for _ in range(WRONG_TRIES + 100):
        bind(place, now=1.0)
    assert len(asked) == WRONG_TRIES
    assert bind(place, now=1.0 + REFUSED_SECONDS).status == WRONG


def test_a_few_wrong_tries_are_forgiven_and_a_right_one_does_not_wipe_them_out() -> None:
    place = gate(account(max_binds=1000))
    for each in range(30):  # one each minute: never ten in five
        assert bind(place, password="x", now=each * 60.0).status == WRONG
    now = 30 * 60.0
    statuses = []
    for _ in range(WRONG_TRIES):
        statuses.append(bind(place, password="x", now=now).status)
        statuses.append(bind(place, now=now).status)
    assert statuses[-1] == CommandStatus.ESME_RBINDFAIL


def test_whoever_has_one_ipv6_address_has_its_whole_network() -> None:
    place = gate()
    for each in range(WRONG_TRIES):
        bind(place, password="x", peer=f"2001:db8::{each}")
    assert bind(place, peer="2001:db8::ffff:1").status == CommandStatus.ESME_RBINDFAIL
    assert bind(place, peer="2001:db8:0:1::1").status == 0


def test_no_more_addresses_are_remembered_than_memory_is_meant_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gate_module, "MAX_WATCHED", 5)
    place = gate()
    for each in range(20):
        bind(place, password="x", peer=f"198.51.100.{each}")
    assert len(place._wrong) == 5
