"""TLS for SMPP, 1.2 at least: as client always with the peer's certificate verified, by name."""

import ssl
from pathlib import Path
from typing import Annotated

from msgspec import Meta, Struct

from carriers.model.smpp import SmppTls
from telephony.kernel.errors import ConfigurationError


class ServerTls(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """TLS of a port that others bind to."""

    certificate: Path
    """PEM file of our certificate with its chain."""
    key: Path
    """PEM file of its private key."""
    client_ca: Path | None = None
    """PEM file of the authorities that must have signed a client's certificate. Empty: it needs none."""
    client_optional: bool = False
    """Whether a client may come without one: accounts say who needs it. One that comes is verified."""
    handshake_seconds: Annotated[float, Meta(gt=0)] = 10.0
    """How long a handshake may take."""


def client_context(settings: SmppTls) -> ssl.SSLContext:
    """Return what a link connects with. Reads files, so not for the event loop.

    Raises ConfigurationError for files that cannot be used.
    """
    try:
        context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=settings.ca)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(f"tls.ca: {settings.ca} cannot be used: {words(error)}") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.certificate is not None and settings.key is not None:
        _load(context, settings.certificate, settings.key)
    return context


def server_context(settings: ServerTls) -> ssl.SSLContext:
    """Return what a server accepts with. Reads files. Raises ConfigurationError as `client_context` does."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    _load(context, settings.certificate, settings.key)
    if settings.client_ca is not None:
        try:
            context.load_verify_locations(settings.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"tls.client_ca: {settings.client_ca} cannot be used: {words(error)}"
            ) from error
        context.verify_mode = ssl.CERT_OPTIONAL if settings.client_optional else ssl.CERT_REQUIRED
    return context


def words(error: OSError) -> str:
    """Return what went wrong in words: without OpenSSL's file names and line numbers."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"certificate refused: {error.verify_message}"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {(error.reason or str(error)).replace('_', ' ').lower()}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__


def _load(context: ssl.SSLContext, certificate: Path, key: Path) -> None:
    def no_password() -> str:
        return ""  # OpenSSL would ask on the terminal

    try:
        context.load_cert_chain(certificate, key, no_password)
    except (OSError, ssl.SSLError) as error:
        raise ConfigurationError(
            f"tls.certificate, tls.key: {certificate}, {key} cannot be used: {words(error)}"
        ) from error
