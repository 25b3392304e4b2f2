"""The tree: every setting there is. The only place where the planes' settings meet.

Complete without any file. Units stand in the names or beside the fields.
"""

import ipaddress
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import quote

import msgspec
from msgspec import Meta, Struct

from carriers.model.carrier import Carrier, Port, SmppLink
from carriers.model.sip import SipTrunk
from carriers.simulated.settings import SimulatedAccount, SimulatedSettings
from carriers.simulated.settings import check as check_simulated
from sip.media.settings import MediaSettings
from sip.settings import SipSettings
from sms.esme.settings import SmppServerSettings
from sms.settings import SmsSettings
from tandem.config.build import DatabaseUrl
from telephony.alarms.settings import AlarmSettings
from telephony.calling.settings import CallSettings
from telephony.events.settings import EventSettings
from telephony.identity.settings import IdentitySettings
from telephony.kernel.errors import ConfigurationError
from telephony.kernel.http.outbound_addresses import OutboundSettings
from telephony.kernel.http.settings import HttpSettings
from telephony.kernel.log import LogSettings
from telephony.kernel.secret import Secret
from telephony.kernel.store.leases import LEASE_SECONDS
from telephony.kernel.store.retention import RetentionSettings
from telephony.numbers.settings import NumberSettings
from telephony.resources.audit import AuditSettings
from telephony.usage.settings import LimitSettings

DATABASE_FILE: Final = "tandem.db"
MASTER_KEY_FILE: Final = "master-key"

SIMULATED: Final = "simulated"
SIMULATED_LINK: Final = "simulated-1"
SIMULATED_TRUNK: Final = "telephones"
SIMULATED_SIP_PORT: Final = 5070
"""Where the simulated carrier's telephones are, unless it is said."""
SIMULATED_SYSTEM_ID: Final = "tandem"
"""The account of the simulated carrier when none is configured, and its password: on the loopback only."""

ANY_HOST: Final = frozenset({"", "0.0.0.0", "::"})  # noqa: S104 - compared, not bound
"""Addresses to listen on that nobody can connect to by that name."""


class SimulatedCarrier(SimulatedSettings, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The carrier inside, and whether there is one."""

    enabled: bool | None = None
    """Unset: when there is no other carrier, or one that says it is this one."""


class Configuration(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Everything that can be set."""

    data: Path = Path("var")
    """Folder of everything that the node keeps; made when missing."""
    host: str = "127.0.0.1"
    """Address that HTTPS listens on; `0.0.0.0` for all."""
    port: Port = 8443
    """TCP port of HTTPS."""
    authorities: tuple[Annotated[str, Meta(pattern=r"^[^\s/:]+:[0-9]+$")], ...] = ()
    """`host:port` under which clients reach the first resource. Empty: `host` and `port`."""
    database: DatabaseUrl = DatabaseUrl("")
    """`postgresql://user:password@host/name`. Empty: SQLite, in the data folder."""
    database_password: Secret = Secret("")
    """Its password, when it shall not stand in the address: `file:/run/secrets/...`."""
    lease_seconds: Annotated[float, Meta(ge=1, le=300)] = LEASE_SECONDS
    """Silence after which other gateways of the same database take this one for dead and send what it had
    left. A database that is away for as long takes a gateway's work from it."""
    master_key: Secret = Secret("")
    """What seals the resources' keys in the store, base64 of 32 bytes. Empty: read from `master_key_file`."""
    master_key_file: Path | None = None
    """File of the master key; made when missing. Empty: `master-key` in the data folder."""
    certificate: Path | None = None
    """PEM file of a certificate of your own, with its chain. Empty: one of the local authority's."""
    certificate_key: Path | None = None
    """PEM file of its private key."""
    one_core: bool = True
    """Whether the gateway stays on one core at a time, which takes a third less CPU a message; it moves when
    others need that core."""
    http: HttpSettings = HttpSettings()
    log: LogSettings = LogSettings()
    events: EventSettings = EventSettings()
    identity: IdentitySettings = IdentitySettings()
    outbound: OutboundSettings = OutboundSettings()
    retention: RetentionSettings = RetentionSettings()
    audit: AuditSettings = AuditSettings()
    alarms: AlarmSettings = AlarmSettings()
    limits: LimitSettings = LimitSettings()
    sms: SmsSettings = SmsSettings()
    numbers: NumberSettings = NumberSettings()
    media: MediaSettings = MediaSettings()
    sip: SipSettings = SipSettings()
    calls: CallSettings = CallSettings()
    smpp_server: SmppServerSettings = SmppServerSettings()
    carriers: dict[str, Carrier] = {}
    """Carriers by name. None: the simulated one."""
    simulated: SimulatedCarrier = SimulatedCarrier()

    def __post_init__(self) -> None:
        url = self.database.reveal()
        if url and not url.startswith(
            ("postgresql://", "postgresql+psycopg://", "postgres://", "sqlite:///")
        ):
            raise ValueError("database: expected postgresql://user:password@host/name or sqlite:///file")
        if (self.certificate is None) != (self.certificate_key is None):
            raise ValueError("certificate and certificate_key: expected both or neither")

    def database_url(self) -> str:
        """Return the database's address as the store takes it, password included."""
        url = self.database.reveal()
        if not url:
            return f"sqlite:///{self.data.absolute() / DATABASE_FILE}"
        scheme, _, rest = url.partition("://")
        if scheme == "sqlite":
            return url
        user, sign, place = rest.rpartition("@")
        if self.database_password:
            user, sign = f"{user.partition(':')[0]}:{quote(self.database_password.reveal(), safe='')}", "@"
        return f"postgresql+psycopg://{user}{sign}{place}"

    def master_key_path(self) -> Path:
        """Return the file that holds the master key, whether it exists or not."""
        return self.master_key_file or self.data / MASTER_KEY_FILE

    def own_authorities(self) -> tuple[str, ...]:
        """Return under which `host:port` the first resource is reached, at least one."""
        host = "127.0.0.1" if self.host in ANY_HOST else self.host
        return self.authorities or (f"{host}:{self.port}",)

    def calls_run(self) -> bool:
        """Tell whether this node takes and makes calls: it signals them, and carries their audio."""
        return self.media.enabled and self.sip.runs()

    def simulated_runs(self) -> bool:
        """Tell whether the simulated carrier runs on this node."""
        if self.simulated.enabled is not None:
            return self.simulated.enabled
        return not self.carriers or any(carrier.simulated for carrier in self.carriers.values())


def completed(configuration: Configuration) -> Configuration:
    """Return the configuration with what follows from the rest: a link to the simulated carrier.

    Raises ConfigurationError when parts do not fit together.
    """
    if not configuration.simulated_runs():
        return configuration
    simulated = configuration.simulated
    if not simulated.accounts:
        if not _is_loopback(simulated.host):
            raise ConfigurationError(
                f"simulated.accounts: needed, because others can reach {simulated.host}; "
                'expected one at least, such as accounts.me.password = "8 octets"'
            )
        account = SimulatedAccount(password=Secret(SIMULATED_SYSTEM_ID))
        simulated = msgspec.structs.replace(simulated, accounts={SIMULATED_SYSTEM_ID: account})
    if configuration.calls_run() and simulated.sip_port is None:
        host = "127.0.0.1" if configuration.sip.address in ANY_HOST else configuration.sip.address
        simulated = msgspec.structs.replace(
            simulated, sip_port=SIMULATED_SIP_PORT, sip_node=f"{host}:{configuration.sip.port}"
        )
    try:
        check_simulated(simulated)
    except ConfigurationError as error:
        raise ConfigurationError(f"simulated.{error.message}") from error
    carriers = configuration.carriers
    if not any(carrier.simulated for carrier in carriers.values()):
        if SIMULATED in carriers:
            raise ConfigurationError(
                f"carriers.{SIMULATED}: the name of the simulated carrier; choose another"
            )
        made = _carriers_to(simulated)
        for name in made.keys() & carriers.keys():
            raise ConfigurationError(
                f"carriers.{name}: the name of an account's carrier (simulated.accounts); choose another"
            )
        carriers = {**carriers, **made}
    return msgspec.structs.replace(configuration, simulated=simulated, carriers=carriers)


def _carriers_to(simulated: SimulatedCarrier) -> dict[str, Carrier]:
    """Return a carrier for each account that has one; raises ConfigurationError."""
    if simulated.port == 0:
        raise ConfigurationError(
            "simulated.port: expected a number from 1 to 65535: the gateway connects there"
        )
    host = "127.0.0.1" if simulated.host in ANY_HOST else simulated.host
    made: dict[str, Carrier] = {}
    for place, (system_id, account) in enumerate(simulated.accounts.items()):
        name = account.carrier or (SIMULATED if place == 0 else "")
        if not name:
            continue
        if name in made:
            raise ConfigurationError(
                f"simulated.accounts.{system_id}.carrier: {name} is another account's; choose another name"
            )
        link = SmppLink(host=host, port=simulated.port, system_id=system_id, password=account.password)
        trunks: dict[str, SipTrunk] = {}
        if place == 0 and simulated.sip_port:
            trunks[SIMULATED_TRUNK] = SipTrunk(host=host, port=simulated.sip_port, addresses=(host,))
        made[name] = Carrier(
            smpp={SIMULATED_LINK if place == 0 else f"{name}-1": link},
            sip=trunks,
            codecs=("PCMU", "PCMA"),
            simulated=True,
        )
    return made


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
