"""Who may bind to us, and how. Pure: accounts and time come in, a verdict goes out.

Deny by default: an account that lists no addresses lets nobody in, one that is unknown neither. A peer does
not learn which of system_id, password, certificate or address was wrong; the log does. Ten wrong tries from
an address (IPv6: a /64) within five minutes, and it is refused for five minutes without its password being
looked at.
"""

from collections import deque
from collections.abc import Callable, Set
from dataclasses import dataclass
from hmac import compare_digest
from ipaddress import IPv6Address
from typing import Final

from carriers.model.networks import Networks, parse_address
from sms.smpp.constants import CommandStatus
from sms.smpp.states import BindType
from telephony.kernel.secret import Secret

WRONG_TRIES: Final = 10
"""Wrong tries of an address before it is refused unheard: an orderly client never has so many."""

REFUSED_SECONDS: Final = 300.0
"""How long; and the time within which wrong tries add up."""

MAX_WATCHED: Final = 10_000
"""Addresses with wrong tries that are remembered; beyond, the oldest is forgotten. 1 kB each at most."""

EVERY_WAY: Final = frozenset(BindType)

_NOBODY: Final = b"\xff" * 9
"""What a password is compared to when there is no such account: longer than SMPP lets any be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may bind to us: a customer's application, or a carrier that pushes to us."""

    system_id: str
    password: Secret
    """1 to 8 octets; an account without one lets nobody in."""
    addresses: Networks
    """Where from; an empty list is nowhere."""
    binds: frozenset[BindType] = EVERY_WAY
    """How."""
    max_binds: int = 4
    """At once."""
    per_second: float | None = None
    """submit_sm a second over all its binds; None: as many as it likes."""
    window: int = 100
    """deliver_sm to it that may be unanswered on one bind."""
    max_unanswered: int = 500
    """submit_sm of its that may wait for us on one bind."""
    certificate: str = ""
    """A name that its client certificate must have; empty: it needs none."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a bind."""

    status: int
    """0, or the command_status to refuse with."""
    reason: str = ""
    """Why it is refused: for the log, never for the peer."""
    account: Account | None = None
    """Whose it is, when it is let in."""


class Gate:
    """Decides about binds, counts those that stand, and remembers who guesses."""

    def __init__(self, account: Callable[[str], Account | None]) -> None:
        """`account` finds the account of a system_id."""
        self._account = account
        self._binds: dict[str, int] = {}
        self._wrong: dict[str, deque[float]] = {}
        """When each address was wrong, the last `WRONG_TRIES` times; that of the newest stands last."""

    def bind(
        self,
        system_id: str,
        password: str,
        bind_type: BindType,
        peer: str,
        now: float,
        names: Set[str] = frozenset(),
    ) -> Verdict:
        """Decide about a bind that came from the address `peer` at `now` (monotonic seconds).

        `names` are those of the client's certificate, which was verified. One that is let in counts until
        `unbound`.
        """
        place = _place(peer)
        if self._is_refused(place, now):
            return Verdict(CommandStatus.ESME_RBINDFAIL, "too many wrong tries from its address")
        account = self._account(system_id)
        wrong = _why_wrong(account, password, peer, names)
        if wrong or account is None:
            self._note_wrong(place, now)
            return Verdict(CommandStatus.ESME_RINVPASWD, wrong)
        if bind_type not in account.binds:
            return Verdict(CommandStatus.ESME_RBINDFAIL, f"may not bind as {bind_type.value}")
        if self._binds.get(system_id, 0) >= account.max_binds:
            return Verdict(CommandStatus.ESME_RALYBND, f"has {account.max_binds} binds already")
        self._binds[system_id] = self._binds.get(system_id, 0) + 1
        return Verdict(CommandStatus.ESME_ROK, account=account)

    def unbound(self, system_id: str) -> None:
        """Learn that a bind that was let in is over."""
        left = self._binds[system_id] - 1
        if left:
            self._binds[system_id] = left
        else:
            del self._binds[system_id]

    def binds(self, system_id: str) -> int:
        """Return how many binds an account has."""
        return self._binds.get(system_id, 0)

    def _is_refused(self, place: str, now: float) -> bool:
        tries = self._wrong.get(place)
        return tries is not None and len(tries) == WRONG_TRIES and now - tries[-1] < REFUSED_SECONDS

    def _note_wrong(self, place: str, now: float) -> None:
        tries = self._wrong.pop(place, None) or deque(maxlen=WRONG_TRIES)
        while tries and now - tries[0] >= REFUSED_SECONDS:
            tries.popleft()
        tries.append(now)
        self._wrong[place] = tries
        if len(self._wrong) > MAX_WATCHED:
            del self._wrong[next(iter(self._wrong))]


def _why_wrong(account: Account | None, password: str, peer: str, names: Set[str]) -> str:
    """Return why a peer is not who it says, or nothing; every reason takes the same time to find."""
    expected = _NOBODY if account is None else account.password.reveal().encode() or _NOBODY
    proven = compare_digest(password.encode(), expected)
    if account is None:
        return "there is no such account"
    if not proven:
        return "wrong password"
    if account.certificate and account.certificate not in names:
        return "it has no certificate of the name it needs"
    return "" if peer in account.addresses else "its address is not listed"


def _place(peer: str) -> str:
    """Return what tries are counted by: whoever has one IPv6 address has a whole /64."""
    address = parse_address(peer)
    if isinstance(address, IPv6Address):
        return f"{int(address) >> 64:x}"
    return peer if address is None else str(address)
