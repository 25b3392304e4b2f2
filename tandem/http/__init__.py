"""The one HTTP application: every plane's routes, the order of checks, the server."""

from tandem.http.application import Application, Settings
from tandem.http.authentication import UserVerifier
from tandem.http.reference import routes_table
from tandem.http.server import Server, ServerLimits, serve, serve_plain

__all__ = [
    "Application",
    "Server",
    "ServerLimits",
    "Settings",
    "UserVerifier",
    "routes_table",
    "serve",
    "serve_plain",
]
