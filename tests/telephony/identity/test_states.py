"""The life of a signing key, as the table has it."""

import pytest

from telephony.identity.states import KEY, KeyEvent, KeyState
from telephony.kernel.states import IllegalTransition

pytestmark = pytest.mark.unit


def test_a_key_signs_then_verifies_then_is_over() -> None:
    assert KEY.initial is KeyState.SIGNING
    verifying = KEY.fire(KEY.initial, KeyEvent.REPLACE)
    assert verifying is KeyState.VERIFYING
    assert KEY.fire(verifying, KeyEvent.EXPIRE) is KeyState.ENDED
    assert KEY.final == {KeyState.ENDED}


@pytest.mark.parametrize("state", [KeyState.SIGNING, KeyState.VERIFYING])
def test_a_key_in_use_can_be_given_up(state: KeyState) -> None:
    assert KEY.fire(state, KeyEvent.END) is KeyState.ENDED


@pytest.mark.parametrize("event", list(KeyEvent))
def test_nothing_happens_to_a_key_that_is_over(event: KeyEvent) -> None:
    with pytest.raises(IllegalTransition):
        KEY.fire(KeyState.ENDED, event)


def test_a_key_never_signs_again() -> None:
    assert KeyState.SIGNING not in KEY.table.values()
