"""State machines as tables."""

from enum import Enum

import pytest

from telephony.kernel.errors import Conflict
from telephony.kernel.states import IllegalTransition, Machine

pytestmark = pytest.mark.unit


class Light(Enum):
    RED = "red"
    GREEN = "green"
    BROKEN = "broken"


class Press(Enum):
    GO = "go"
    HALT = "halt"
    SMASH = "smash"


MACHINE = Machine(
    "light",
    Light.RED,
    {
        (Light.RED, Press.GO): Light.GREEN,
        (Light.GREEN, Press.HALT): Light.RED,
        (Light.RED, Press.SMASH): Light.BROKEN,
    },
)


def test_an_event_leads_where_the_table_says() -> None:
    assert MACHINE.fire(MACHINE.initial, Press.GO) is Light.GREEN
    assert MACHINE.allows(Light.GREEN, Press.HALT)


def test_what_the_table_does_not_say_cannot_happen_and_is_named() -> None:
    assert not MACHINE.allows(Light.GREEN, Press.SMASH)
    with pytest.raises(IllegalTransition, match="light: smash cannot happen in green") as refused:
        MACHINE.fire(Light.GREEN, Press.SMASH)
    assert isinstance(refused.value, Conflict)


def test_a_state_that_nothing_leads_out_of_is_final() -> None:
    assert MACHINE.final == {Light.BROKEN}


def test_changing_the_table_it_was_made_from_changes_nothing() -> None:
    table = {(Light.RED, Press.GO): Light.GREEN}
    machine = Machine("light", Light.RED, table)
    table.clear()
    assert machine.fire(Light.RED, Press.GO) is Light.GREEN


def test_the_diagram_is_the_table() -> None:
    assert MACHINE.diagram() == (
        "stateDiagram-v2\n"
        "    [*] --> red\n"
        "    red --> green: go\n"
        "    green --> red: halt\n"
        "    red --> broken: smash\n"
        "    broken --> [*]\n"
    )
