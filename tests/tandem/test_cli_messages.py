"""The commands about messages, webhooks and accounts, against a node whose gateway was killed at once."""

import asyncio
import json
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from carriers.simulated.journal import Entry, read
from tandem.cli import messages as messages_module
from tandem.cli.app import assembled
from tests.support.node import Node, free_ports
from tests.support.receiver import Receiver

pytestmark = pytest.mark.wire

ANSWERING, SLOW, DELIVERED = "+12065550107", "+12065550105", "+12065550100"
(HOOK,) = free_ports(1)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    running = Node(
        tmp_path_factory.mktemp("cli") / "var",
        f'outbound.allow=["127.0.0.1:{HOOK}"]',
        "sms.protocol_ids=127",
        "simulated.slow_seconds=30",
    )
    running.start()
    try:
        running.kill("gateway")  # the welcome is just beginning
        running.wait_for_output("Tandem is ready")
        running.wait_ready()
        yield running
    finally:
        running.stop()


def tandem(on: Node, *arguments: str, status: int = 0, stdin: str | None = None) -> str:
    """Run a command about the node inside this process and return what it said."""
    done = CliRunner().invoke(
        assembled([arguments[0]]),
        [*arguments, "--data", str(on.data)],
        input=stdin,
        env={"COLUMNS": "300", "TERM": "dumb"},
    )
    assert done.exit_code == status, done.output
    return done.output


def sent_id(said: str) -> str:
    """Return the id in the first line of `sms send`."""
    return said.split()[1]


def submitted(on: Node, to: str) -> Entry:
    """Return the last thing that the simulated carrier took for a number."""
    return [one for one in read(on.journal) if one.kind == "submit" and one.destination == to[1:]][-1]


def test_a_gateway_that_was_killed_at_once_is_still_welcomed(node: Node) -> None:
    assert "echo: Hello from Tandem!" in node.output
    assert "does not answer" not in node.output
    outbound = node.messages()
    assert [one["to"] for one in outbound if one.get("tag") == "welcome"] == [ANSWERING]


def test_a_flash_is_sent_urgently_with_look_alikes_and_a_validity(node: Node) -> None:
    said = tandem(
        node,
        *("sms", "send", DELIVERED, "-m", "“Now”", "--flash", "--lookalike", "--priority", "3"),
        *("--validity", "10m", "--tag", "urgent", "--protocol-id", "127", "--max-parts", "1", "--wait", "20"),
    )
    for word in (
        "message.delivered",
        "messageClass=0",
        "lookAlikes=True",
        "validitySeconds=600",
        "priority=3",
    ):
        assert word in said
    entry = submitted(node, DELIVERED)
    assert (entry.data_coding, bytes.fromhex(entry.head)) == (0x10, b'"Now"')
    assert entry.asked is not None
    assert (entry.asked["priority_flag"], entry.asked["protocol_id"]) == (3, 127)
    assert str(entry.asked["validity_period"])[8:10] in ("09", "10")
    shown = tandem(node, "message", sent_id(said))
    assert "“Now”" in shown
    assert "validitySeconds=600" in shown


@pytest.mark.parametrize("piped", [False, True])
def test_octets_go_to_a_port_under_a_data_coding(node: Node, piped: bool) -> None:
    octets = "-" if piped else "01 06 ff"
    said = tandem(
        node,
        *("sms", "send", DELIVERED, "--binary", octets, "--ports", "2948:9200", "--data-coding", "245"),
        *("--wait", "20"),
        stdin="0106ff\n" if piped else None,
    )
    assert "octets 0106ff" in said
    entry = submitted(node, DELIVERED)
    assert (entry.data_coding, entry.head) == (245, "0106ff")
    assert entry.asked is not None
    assert entry.asked["header"] == "0605040b8423f0"


def test_octets_have_a_header_of_their_own_and_a_class(node: Node) -> None:
    send = ("sms", "send", DELIVERED, "--binary", "01", "--udh", "0605040b8423f0", "--class", "2")
    tandem(node, *send, "--wait", "20")
    entry = submitted(node, DELIVERED)
    assert entry.asked is not None
    assert (entry.data_coding, entry.asked["header"]) == (0x16, "0605040b8423f0")


def test_a_planned_message_is_shown_taken_back_and_planned_again(node: Node) -> None:
    identifier = sent_id(tandem(node, "sms", "send", DELIVERED, "-m", "later", "--at", "+1h"))
    shown = tandem(node, "message", identifier)
    assert "sendAt=" in shown
    assert "not_before=" in shown
    assert "message.cancelled" in tandem(node, "message", identifier, "--cancel")
    assert "409" in tandem(node, "message", identifier, "--cancel", status=1)
    assert "message.requeued" in tandem(node, "message", identifier, "--requeue")
    assert node.message(identifier)["message"]["state"] == "accepted"
    tandem(node, "message", identifier, "--cancel")
    assert "exclude each other" in tandem(node, "message", identifier, "--cancel", "--requeue", status=2)


def test_what_is_not_over_in_time_is_no_success(node: Node) -> None:
    said = tandem(node, "sms", "send", SLOW, "-m", "slow", "--wait", "0.3", status=1)
    assert "message.delivered" not in said


def test_a_text_is_read_from_standard_input_and_sent_from_a_number_by_name(node: Node) -> None:
    send = ("sms", "send", ANSWERING, "-m", "-", "--from", node.number, "--tag", "piped", "--wait", "20")
    said = tandem(node, *send, stdin="from a pipe")
    assert "“from a pipe”" in said
    assert node.message(sent_id(said))["message"]["tag"] == "piped"
    assert "401" in tandem(node, "sms", "send", DELIVERED, "-m", "x", "--from", "+14255550000", status=1)


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        ((), 2, "what to send?"),
        (("-m", "x", "--binary", "01"), 1, "tandem.data"),
        (("--binary", "xyz"), 2, "hexadecimal"),
        (("--binary", "01", "--ports", "x"), 2, "DESTINATION"),
        (("--binary", "01", "--udh", "05"), 1, "tandem.udh"),
        (("-m", "x", "--flash", "--class", "1"), 2, "--flash is --class 0"),
        (("-m", "x", "--at", "tomorrow"), 2, "expected 2026-12-24T18:00"),
        (("-m", "x", "--at", "2020-01-01"), 1, "tandem.sendAt"),
        (("-m", "x", "--validity", "soon"), 2, "expected a duration"),
        (("-m", "x", "--validity", "1s"), 1, "tandem.validitySeconds"),
        (("-m", "x", "--priority", "4"), 2, "--priority"),
        (("-m", "x", "--protocol-id", "64"), 1, "sms.protocol_ids"),
        (("-m", "x" * 161, "--max-parts", "1"), 1, "maxParts"),
    ],
)
def test_what_cannot_be_sent_is_said_in_words(
    node: Node, arguments: tuple[str, ...], status: int, words: str
) -> None:
    assert words in tandem(node, "sms", "send", DELIVERED, *arguments, status=status)


def test_inbound_octets_are_shown(node: Node) -> None:
    body = {
        "from": "+12065550199",
        "to": node.number,
        "data": "AQL/",
        "udh": "BgUEC4Qj8A==",
        "dataCoding": 245,
    }
    request = urllib.request.Request(
        f"http://127.0.0.1:{node.control_port}/inbound",
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30):
        pass
    until = time.monotonic() + 20
    while not (found := [one for one in node.messages("inbound") if one["from"] == "+12065550199"]):
        assert time.monotonic() < until
    shown = tandem(node, "message", found[0]["messageId"])
    assert "octets 0102ff" in shown
    assert "dataCoding=245" in shown


# --- searching ---


def test_messages_are_searched_by_everything_that_there_is(node: Node) -> None:
    first, second = (
        sent_id(tandem(node, "sms", "send", "+12065550121", "-m", text, "--wait", "20")) for text in "ab"
    )

    def listed(*arguments: str) -> list[str]:
        said = tandem(node, "messages", "--peer", "+12065550121", *arguments)
        return [line.split()[-1] for line in said.splitlines()[1:]]

    assert listed() == [second, first]
    assert listed("--top", "1") == [second]
    assert listed("--before", second) == [first]
    assert listed("--own", node.number, "--direction", "outbound", "--state", "delivered") == [second, first]
    assert listed("--state", "failed") == listed("--direction", "inbound") == listed("--own", "+1") == []
    assert "state" in tandem(node, "messages", "--state", "nonsense", status=1)


def test_following_goes_on_with_what_changes_until_it_is_ended(
    node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look_again(seconds: float) -> None:
        looks.append(seconds)
        if len(looks) == 1:
            tandem(node, "sms", "send", "+12065550122", "-m", "meanwhile", "--wait", "20")
        elif len(looks) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(messages_module, "_pause", look_again)
    said = tandem(node, "messages", "--peer", "+12065550122", "--follow", status=130)
    assert looks == [messages_module.FOLLOW_SECONDS] * 3
    assert said.count("+12065550122") == 1
    assert "delivered" in said


def test_links_are_listed(node: Node) -> None:
    said = tandem(node, "links")
    assert "simulated-1" in said
    assert "last error" in said


def test_nothing_is_cut_where_lines_are_short(node: Node) -> None:
    identifier = sent_id(tandem(node, "sms", "send", DELIVERED, "-m", "narrow", "--wait", "20"))
    for arguments in (["messages", "--peer", DELIVERED], ["message", identifier], ["links"], ["receipt-ids"]):
        done = CliRunner().invoke(
            assembled([arguments[0]]),
            [*arguments, "--data", str(node.data)],
            env={"COLUMNS": "60", "TERM": "dumb"},
        )
        assert "…" not in done.output, arguments
        if arguments[0].startswith("message"):
            assert identifier in done.output


# --- webhooks ---


async def test_a_subscription_is_added_listed_its_dead_letters_redriven_and_removed(node: Node) -> None:
    async def command(*arguments: str, status: int = 0) -> str:
        return await asyncio.to_thread(tandem, node, *arguments, status=status)

    async with Receiver(port=HOOK) as receiver:
        receiver.status = 400  # given up at once
        reported = "Microsoft.Communication.SMSDeliveryReportReceived"
        added = await command(
            *("subscription", "add", receiver.url, "--name", "mine", "--schema", "cloudevents"),
            *("--event", reported),
        )
        identifier, state, _, secret = added.split()
        assert state == "active"
        assert secret
        listed = await command("subscription", "list")
        for word in (identifier, "mine", receiver.url, "SMSDeliveryReportReceived", "active"):
            assert word in listed
        assert "secret" not in listed
        for text in "ab":
            await command("sms", "send", DELIVERED, "-m", text, "--wait", "20")
        letters: list[str] = []
        async with asyncio.timeout(20):
            while len(letters) < 2:
                said = await command("subscription", "dead-letters", identifier)
                letters = [line.split()[0] for line in said.splitlines()[1:]]
        said = await command("subscription", "dead-letters", "--top", "1")
        assert len(said.splitlines()) == 2
        receiver.status = 200
        assert await command("subscription", "redrive", identifier, letters[0]) == "1 on their way\n"
        assert await command("subscription", "redrive", identifier) == "1 on their way\n"
        async with asyncio.timeout(20):
            while len(receiver.notifications) < 4:
                await asyncio.sleep(0.01)
        await command("subscription", "remove", identifier)
        assert identifier not in await command("subscription", "list")
        assert "404" in await command("subscription", "remove", identifier, status=1)


# --- accounts ---


def test_an_account_is_added_listed_given_another_password_and_removed(node: Node) -> None:
    said = tandem(
        node,
        *("smpp-account", "add", "acme", "--address", "192.0.2.0/24", "--inbound", "--rate", "10"),
        *("--quota", "1000", "--ids", "decimal", "--password", "sesame"),
    )
    assert said == "system id: acme\npassword: sesame\n"
    assert "409" in tandem(node, "smpp-account", "add", "acme", status=1)
    random = tandem(node, "smpp-account", "add", "push", "--carrier", "simulated").split()[-1]
    assert len(random) == 8
    listed = [line.split()[:6] for line in tandem(node, "smpp-account", "list").splitlines()[1:]]
    assert ["acme", "customer", "192.0.2.0/24", "yes", "enabled"] in [one[:5] for one in listed]
    assert ["push", "carrier", "simulated", "none", "no", "enabled"] in listed
    another = tandem(node, "smpp-account", "rotate", "acme").split()[-1]
    assert another not in ("sesame", "")
    tandem(node, "smpp-account", "remove", "acme")
    assert "404" in tandem(node, "smpp-account", "remove", "acme", status=1)
    assert "acme" not in tandem(node, "smpp-account", "list")


def test_a_folder_without_a_node_is_named(tmp_path: Path) -> None:
    done = CliRunner().invoke(assembled(["links"]), ["links", "--data", str(tmp_path)])
    assert done.exit_code == 1
    assert str(tmp_path) in done.output
