"""What a carrier wants in every submit_sm of a link: a service_type, registration fields as parameters."""

from typing import Final

from msgspec.structs import replace

from carriers.model.smpp import SmppLink
from carriers.model.tlvs import parse_tlvs
from sms.smpp.codec import encode
from sms.smpp.errors import FieldError
from sms.smpp.pdu import SubmitSm
from telephony.kernel.errors import ConfigurationError


class Terms:
    """A link's own part of its messages."""

    def __init__(self, settings: SmppLink, *, key: str) -> None:
        """Raises ConfigurationError, beginning with `key`, for what SMPP 3.4 has no room for."""
        self._service_type = settings.service_type
        self._tlvs = parse_tlvs(settings.tlvs)
        self.any: Final = bool(self._service_type or self._tlvs)
        """Whether there is any."""
        try:
            encode(self.applied(SubmitSm()), 1)
        except FieldError as error:
            raise ConfigurationError(f"{key}.{error.message}", target=key) from error

    def applied(self, pdu: SubmitSm) -> SubmitSm:
        """Return `pdu` with them. What a message says itself stays."""
        tlvs = self._tlvs
        if pdu.tlvs:
            said = {tag for tag, _ in pdu.tlvs}
            tlvs = pdu.tlvs + tuple(each for each in tlvs if each[0] not in said)
        return replace(pdu, service_type=pdu.service_type or self._service_type, tlvs=tlvs)
