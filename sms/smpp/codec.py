"""The codec of SMPP 3.4: `encode` a PDU into a frame, `decode` a frame into a PDU."""

from sms.smpp.decoder import check_length, decode
from sms.smpp.encoder import encode
from sms.smpp.layout import HEADER, MAX_PDU

__all__ = ["HEADER", "MAX_PDU", "check_length", "decode", "encode"]
