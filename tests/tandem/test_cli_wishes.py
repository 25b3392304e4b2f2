"""What `tandem sms send` makes of its options."""

from datetime import UTC, datetime
from typing import Any

import pytest
import typer

from tandem.cli.wishes import wishes

pytestmark = pytest.mark.unit

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
NOTHING: dict[str, Any] = {
    "at": None,
    "now": NOW,
    "validity": None,
    "priority": 0,
    "flash": False,
    "message_class": None,
    "look_alikes": False,
    "binary": None,
    "udh": None,
    "ports": None,
    "data_coding": None,
    "protocol_id": 0,
    "max_parts": None,
}


def asked(**options: Any) -> dict[str, Any]:
    return wishes(**NOTHING | options)


def test_nothing_is_asked_for_by_itself() -> None:
    assert asked() == {}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"at": "+90m"}, {"sendAt": "2026-01-01T13:30:00+00:00"}),
        ({"at": "+1d"}, {"sendAt": "2026-01-02T12:00:00+00:00"}),
        ({"at": "2026-12-24T18:00+01:00"}, {"sendAt": "2026-12-24T18:00:00+01:00"}),
        ({"at": "2026-12-24T17:00:00Z"}, {"sendAt": "2026-12-24T17:00:00+00:00"}),
        ({"validity": "90"}, {"validitySeconds": 90}),
        ({"validity": "2h"}, {"validitySeconds": 7200}),
        ({"priority": 2}, {"priority": 2}),
        ({"flash": True}, {"messageClass": 0}),
        ({"flash": True, "message_class": 0}, {"messageClass": 0}),
        ({"message_class": 2}, {"messageClass": 2}),
        ({"look_alikes": True}, {"lookAlikes": True}),
        ({"binary": "01 FF\n"}, {"data": "Af8="}),
        ({"binary": ""}, {"data": ""}),
        ({"udh": "0500"}, {"udh": "BQA="}),
        ({"ports": "2948"}, {"ports": {"destination": 2948}}),
        ({"ports": "2948:9200"}, {"ports": {"destination": 2948, "source": 9200}}),
        ({"data_coding": 0}, {"dataCoding": 0}),
        ({"protocol_id": 127}, {"protocolId": 127}),
        ({"max_parts": 3}, {"maxParts": 3}),
    ],
)
def test_each_option_is_a_field(options: dict[str, Any], expected: dict[str, Any]) -> None:
    assert asked(**options) == expected


def test_a_time_without_a_zone_is_this_machines() -> None:
    local = datetime(2026, 7, 1, 18, tzinfo=None).astimezone()
    assert datetime.fromisoformat(asked(at="2026-07-01T18:00")["sendAt"]) == local


@pytest.mark.parametrize(
    "options",
    [
        {"at": "tomorrow"},
        {"at": "+"},
        {"at": "+1w"},
        {"at": "+999999999d"},
        {"validity": "-1"},
        {"validity": "1.5h"},
        {"flash": True, "message_class": 1},
        {"binary": "0"},
        {"udh": "zz"},
        {"ports": ""},
        {"ports": "1:"},
        {"ports": "1:2:3"},
    ],
)
def test_what_cannot_be_written_is_an_error_of_the_caller(options: dict[str, Any]) -> None:
    with pytest.raises(typer.BadParameter):
        asked(**options)
