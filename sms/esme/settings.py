"""What an operator may set about the port that others bind to."""

from typing import Annotated

from msgspec import Meta, Struct

from carriers.model.smpp import Port
from sms.smpp.tls import ServerTls


class SmppServerSettings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """SMPP for applications and carriers that bind to us."""

    enabled: bool = False
    """Whether it listens."""
    host: str = "127.0.0.1"
    """Address to listen on; `0.0.0.0` for all."""
    port: Port = 2776
    """TCP port."""
    tls: ServerTls | None = None
    """Unset: without TLS; passwords and texts are then seen by everybody on the way."""
    keep_days: Annotated[int, Meta(ge=1, le=30)] = 7
    """How long receipts and inbound messages wait for an account that is away."""
    enquire_link_seconds: Annotated[float, Meta(gt=0)] = 30.0
    """Silence after which a bind is tested; after twice this it is closed."""
    response_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long the answer to a deliver_sm may take before it counts as lost."""
