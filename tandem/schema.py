"""Every module that defines tables, so that whoever imports this knows the whole schema."""

import sms.esme.tables
import sms.inward.tables
import sms.optouts.tables
import sms.store.inbound_tables
import sms.store.tables
import tandem.carriers.tables
import telephony.alarms.store
import telephony.events.store
import telephony.identity.tables
import telephony.kernel.store.schema
import telephony.numbers.tables
import telephony.resources.audit
import telephony.resources.tables
import telephony.routing.sip_configuration.tables
import telephony.routing.tables
import telephony.usage.tables
from telephony.kernel.store.schema import metadata

__all__ = ["metadata", "sms", "tandem", "telephony"]
