"""What `tandem sms send` asks for beyond a text, as the object `tandem` of the request. Pure."""

import base64
import re
from datetime import datetime, timedelta
from typing import Any, Final

import typer

_DURATION: Final = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_SECONDS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}


def wishes(
    *,
    at: str | None,
    now: datetime,
    validity: str | None,
    priority: int,
    flash: bool,
    message_class: int | None,
    look_alikes: bool,
    binary: str | None,
    udh: str | None,
    ports: str | None,
    data_coding: int | None,
    protocol_id: int,
    max_parts: int | None,
) -> dict[str, Any]:
    """Return the object; empty when nothing is asked for. Raises BadParameter for what cannot be written.

    Times without a zone are this machine's. What fits together is the gateway's to say.
    """
    if flash and message_class not in (None, 0):
        raise typer.BadParameter("--flash is --class 0")
    asked: dict[str, Any] = {
        "sendAt": None if at is None else _moment(at, now),
        "validitySeconds": None if validity is None else _seconds(validity, "--validity"),
        "priority": priority or None,
        "messageClass": 0 if flash else message_class,
        "lookAlikes": look_alikes or None,
        "data": None if binary is None else _octets(binary, "--binary"),
        "udh": None if udh is None else _octets(udh, "--udh"),
        "ports": None if ports is None else _ports(ports),
        "dataCoding": data_coding,
        "protocolId": protocol_id or None,
        "maxParts": max_parts,
    }
    return {name: value for name, value in asked.items() if value is not None}


def _moment(text: str, now: datetime) -> str:
    if text.startswith("+"):
        try:
            return (now + timedelta(seconds=_seconds(text[1:], "--at"))).isoformat()
        except OverflowError:
            raise typer.BadParameter(f"--at {text}: it is too far ahead") from None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"--at {text}: expected 2026-12-24T18:00 or +90m") from None
    return (moment if moment.tzinfo is not None else moment.astimezone()).isoformat()


def _seconds(text: str, option: str) -> int:
    found = _DURATION.fullmatch(text)
    if found is None:
        raise typer.BadParameter(f"{option} {text}: expected a duration such as 90s, 10m, 2h, 1d")
    return int(found[1]) * _SECONDS[found[2]]


def _octets(text: str, option: str) -> str:
    try:
        return base64.b64encode(bytes.fromhex(text)).decode()
    except ValueError:
        raise typer.BadParameter(f"{option}: expected octets in hexadecimal") from None


def _ports(text: str) -> dict[str, int]:
    destination, colon, source = text.partition(":")
    try:
        return {"destination": int(destination)} | ({"source": int(source)} if colon else {})
    except ValueError:
        raise typer.BadParameter(f"--ports {text}: expected DESTINATION or DESTINATION:SOURCE") from None
