"""What a token may be used for: the scopes of ACS Identity."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from telephony.kernel.errors import InvalidRequest


class Scope(StrEnum):
    """CommunicationTokenScope."""

    CHAT = "chat"  # everything in chat
    VOIP = "voip"  # everything in calls
    CHAT_JOIN = "chat.join"  # take part in threads, create none
    CHAT_JOIN_LIMITED = "chat.join.limited"  # the same, and nothing of other participants but their messages
    VOIP_JOIN = "voip.join"  # join calls, start none


_KNOWN: Final = frozenset(scope.value for scope in Scope)


def parse_scopes(asked: Iterable[str], *, target: str) -> tuple[Scope, ...]:
    """Return scopes in the order asked for, each once. Raises InvalidRequest for one that there is not, and
    for none; `target` is the field they stand in."""
    scopes: dict[Scope, None] = {}
    for text in asked:
        if text not in _KNOWN:
            known = ", ".join(Scope)
            raise InvalidRequest(
                f"{target}: '{text[:64]}' is not a scope; these are: {known}.", target=target
            )
        scopes[Scope(text)] = None
    if not scopes:
        raise InvalidRequest(f"{target}: At least one scope is required.", target=target)
    return tuple(scopes)
