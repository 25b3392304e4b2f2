"""The tables of `/sip`."""

from typing import Final

from sqlalchemy import Column, Integer, LargeBinary, String, Table, Text, UniqueConstraint

from telephony.kernel.store.schema import Identifier, Microseconds, metadata
from telephony.routing.sip_configuration.names import MAX_FQDN

sip_configurations: Final = Table(
    "sip_configurations",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("version", Integer, nullable=False),  # grows with every change; compare-and-set
    Column("configuration", LargeBinary, nullable=False),  # SipConfiguration as JSON
    Column("updated", Microseconds, nullable=False),
)
"""One row a resource that ever set something."""

sip_trunks_enabled: Final = Table(
    "sip_trunks_enabled",
    metadata,
    Column("resource", Identifier, primary_key=True),
    Column("fqdn", String(MAX_FQDN), primary_key=True),  # folded
    Column("at", Microseconds, nullable=False),
    Column("addresses", Text, nullable=False),  # the operator's list, with spaces; empty: none
    UniqueConstraint("fqdn"),  # what comes in from an SBC is of one resource
)
"""Names of SBCs that the operator lets a resource use, whether or not it has a trunk of that name."""
