"""What the edge is told at its start."""

from pathlib import Path

from msgspec import Struct


class EdgeSettings(Struct, frozen=True):
    """Where the edge listens, and what stands behind it. Not secret; the secret of this start comes apart."""

    folder: Path
    """Of its own: configuration, tables, control socket. Mode 0700."""
    address: str = "127.0.0.1"
    port: int = 5060
    """UDP and TCP."""
    public_address: str = ""
    """What peers are told instead of `address`; empty: the same."""
    tls_port: int | None = None
    """None: no TLS."""
    certificate: Path | None = None
    certificate_key: Path | None = None
    worker_host: str = "127.0.0.1"
    first_worker_port: int = 5100
    ins: int = 1
    """Workers that take calls: the first ones."""
    outs: int = 1
    """Workers that make calls: those after them."""
    calls_a_worker: int = 4
    flood: int = 200
    """Requests within two seconds from one address, beyond which it is not heard for a while (R3)."""
    processes: int = 2
    """That receive UDP; as many again receive TCP."""

    @property
    def configuration(self) -> Path:
        """Kamailio's configuration."""
        return self.folder / "kamailio.cfg"

    @property
    def tls_configuration(self) -> Path:
        """Kamailio's configuration of TLS."""
        return self.folder / "tls.cfg"

    @property
    def peers(self) -> Path:
        """Table of whose calls may come."""
        return self.folder / "peers"

    @property
    def workers(self) -> Path:
        """Table of the workers that take calls."""
        return self.folder / "workers"

    @property
    def control(self) -> Path:
        """Its control socket (datagrams)."""
        return self.folder / "control"

    @property
    def inside(self) -> str:
        """Where workers send what goes out, as pjsip's outbound proxy."""
        host = self.worker_host if self.address == "0.0.0.0" else self.address  # noqa: S104 - compared
        return f"sip:{host}:{self.port};lr"
