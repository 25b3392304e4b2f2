"""What the simulated carrier can be told."""

from typing import Annotated

from msgspec import Meta, Struct

from carriers.simulated.catalogue import profile_named
from carriers.simulated.profiles import Profile
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.secret import Secret

AnyPort = Annotated[int, Meta(ge=0, le=65535)]
"""0: the system chooses a free one."""
SystemId = Annotated[str, Meta(min_length=1, max_length=15)]
Seconds = Annotated[float, Meta(gt=0)]

MAX_PASSWORD = 8
"""Octets (SMPP 3.4 §5.2.2)."""


class SimulatedAccount(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may bind."""

    password: Secret
    """1 to 8 octets."""
    profile: str = ""
    """How the carrier treats this account: a name of `catalogue.PROFILES`; empty: the `profile` for all."""
    per_second: Annotated[float, Meta(gt=0)] | None = None
    """submit_sm a second; unset: what the profile says."""
    carrier: Annotated[str, Meta(pattern=r"^([A-Za-z0-9][A-Za-z0-9._-]{0,62})?$")] = ""
    """The name of a carrier of this node's that binds as this account: a second account is a second carrier.
    Empty: nobody of this node; the first account is `simulated`'s."""


class SimulatedSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The simulated carrier."""

    host: str = "127.0.0.1"
    """Address to listen on. Anything but loopback lets other machines bind."""
    port: AnyPort = 2775
    """TCP port of the SMSC; 2775 is IANA's for SMPP."""
    control_port: AnyPort | None = None
    """TCP port of the control interface, always on 127.0.0.1; unset: there is none."""
    control_socket: str = ""
    """Path of a Unix socket for the same interface, open to its user alone; empty: there is none."""
    sip_port: AnyPort | None = None
    """UDP port of its telephones' SIP, on the same `host`; unset: it has none."""
    sip_node: Annotated[str, Meta(pattern=r"^[0-9.]{7,15}:[0-9]{1,5}$")] = "127.0.0.1:5060"
    """Where its telephones' calls go: IPv4 address and UDP port of the node's SIP."""
    accounts: dict[SystemId, SimulatedAccount] = {}
    """Who may bind, by system_id. Nobody else may: none configured means nobody."""
    profile: str = "plain"
    """The profile of accounts that name none."""
    journal: str = ""
    """File to which every event is appended; empty: none is kept."""
    window: Annotated[int, Meta(ge=1, le=1000)] = 100
    """deliver_sm that may be unanswered at once on one bind."""
    enquire_link_seconds: Seconds = 30.0
    """Silence after which a bind is tested."""
    response_seconds: Seconds = 10.0
    """How long an answer to a deliver_sm may take; after that it is tried again."""
    bind_seconds: Seconds = 10.0
    """How long a new connection may take to bind."""
    retry_seconds: tuple[Seconds, Seconds] = (1.0, 60.0)
    """First and longest pause before a deliver_sm is tried again; it doubles."""
    max_tries: Annotated[int, Meta(ge=1)] = 10
    """How often a deliver_sm is tried before it is given up. A lost bind is no try."""
    max_pending: Annotated[int, Meta(ge=1)] = 100_000
    """deliver_sm kept for an account that is away or slow; further ones are dropped and counted. About 1 kB
    each."""
    slow_seconds: Seconds = 5.0
    """How long the receipt of the slow test number takes."""


def check(settings: SimulatedSettings) -> dict[str, Profile]:
    """Return each account's profile; raises ConfigurationError for what types cannot tell."""
    default = profile_named(settings.profile, key="profile")
    profiles: dict[str, Profile] = {}
    for system_id, account in settings.accounts.items():
        key = f"accounts.{system_id}"
        length = len(account.password.reveal().encode())
        if not 1 <= length <= MAX_PASSWORD:
            raise ConfigurationError(
                f"{key}.password: has {length} octets; SMPP takes 1 to {MAX_PASSWORD}.", target=key
            )
        profiles[system_id] = (
            profile_named(account.profile, key=f"{key}.profile") if account.profile else default
        )
    return profiles
