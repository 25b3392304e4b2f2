"""The life of a signing key. No transition stands anywhere else."""

from enum import Enum
from typing import Final

from telephony.kernel.states import Machine


class KeyState(Enum):
    """Where a signing key is in its life."""

    SIGNING = "signing"  # the one that a resource's tokens are signed by
    VERIFYING = "verifying"  # published, so that what it signed is believed until it expires
    ENDED = "ended"  # believed no more


class KeyEvent(Enum):
    """What happens to a signing key."""

    REPLACE = "replace"  # a fresh one signs from now on
    EXPIRE = "expire"  # nothing that it signed can still be in force
    END = "end"  # it is given up at once, with every token that it signed


KEY: Final = Machine(
    "Signing key",
    KeyState.SIGNING,
    {
        (KeyState.SIGNING, KeyEvent.REPLACE): KeyState.VERIFYING,
        (KeyState.SIGNING, KeyEvent.END): KeyState.ENDED,
        (KeyState.VERIFYING, KeyEvent.EXPIRE): KeyState.ENDED,
        (KeyState.VERIFYING, KeyEvent.END): KeyState.ENDED,
    },
)
