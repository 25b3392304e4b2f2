"""The CLI's way to a gateway: the administration API, and ACS's own with the connection string."""

import http.client
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from tandem.first_start import Keepsakes
from telephony.kernel.clock import SystemClock
from telephony.kernel.errors import ConfigurationError, RemoteError, RemoteUnavailable
from telephony.kernel.http.signature import sign

SECONDS: Final = 30.0
"""How long an answer may take."""


STARTING: Final = 503
"""The status of a gateway that cannot work yet."""


@dataclass(frozen=True, slots=True)
class Client:
    """Talks to the gateway that keeps its files in a data folder."""

    endpoint: str
    authority: str
    key: bytes
    admin_key: str
    context: ssl.SSLContext

    @classmethod
    def of(cls, data: Path) -> "Client":
        """Return the client of the node in `data`. Raises ConfigurationError when there is none."""
        import base64

        keepsakes = Keepsakes(data)
        try:
            fields = dict(
                field.split("=", 1) for field in keepsakes.connection_string.read_text().strip().split(";")
            )
            admin_key = keepsakes.admin_key.read_text().strip()
            endpoint, key = fields["endpoint"].rstrip("/"), base64.b64decode(fields["accesskey"])
            context = ssl.create_default_context(cafile=data / "ca.pem")
        except (OSError, ValueError, KeyError) as error:
            raise ConfigurationError(
                f"{data}: no gateway has been started with this data folder ({error}); see --data."
            ) from error
        return cls(endpoint, urlsplit(endpoint).netloc, key, admin_key, context)

    def admin(self, method: str, path: str, body: object = None, *, seconds: float = SECONDS) -> Any:  # noqa: ANN401 - JSON
        """Call the administration API and return its answer, which may take so long. Raises RemoteError."""
        raw = b"" if body is None else json.dumps(body).encode()
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        found, _ = self._read(method, path, raw, headers, seconds)
        return json.loads(found) if found else None

    def download(self, path: str) -> bytes:
        """Return a file that the administration API makes. Raises RemoteError."""
        headers = {"Authorization": f"Bearer {self.admin_key}"}
        return self._read("GET", path, b"", headers)[0]

    def acs(self, method: str, target: str, body: object = None) -> Any:  # noqa: ANN401 - JSON
        """Call an ACS operation with the first resource's key and return its answer. Raises RemoteError."""
        return self.acs_with_headers(method, target, body)[0]

    def acs_with_headers(
        self, method: str, target: str, body: object = None
    ) -> tuple[Any, Mapping[str, str]]:
        """The same, with the answer's headers: where a long-running operation is, and its ids."""
        raw = b"" if body is None else json.dumps(body).encode()
        headers = sign(method, target, host=self.authority, body=raw, key=self.key, now=SystemClock().now())
        return self._exchange(method, target, raw, headers)

    def resource(self) -> str:
        """Return the id of the resource that the connection string belongs to."""
        for resource in self.admin("GET", "/admin/resources")["value"]:
            if self.authority in resource["authorities"]:
                return str(resource["id"])
        raise RemoteError("The gateway does not know the resource of the connection string.")

    def _exchange(
        self, method: str, target: str, body: bytes, headers: dict[str, str]
    ) -> tuple[Any, Mapping[str, str]]:
        raw, told = self._read(method, target, body, headers)
        return json.loads(raw) if raw else None, told

    def _read(
        self, method: str, target: str, body: bytes, headers: dict[str, str], seconds: float = SECONDS
    ) -> tuple[bytes, Mapping[str, str]]:
        request = urllib.request.Request(  # noqa: S310 - our own https endpoint
            self.endpoint + target, data=body or None, method=method, headers=headers
        )
        if body:
            request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=seconds, context=self.context) as answer:  # noqa: S310
                raw, told = answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            kind = RemoteUnavailable if error.code == STARTING else RemoteError
            raise kind(_message(error.code, error.read())) from error
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            raise RemoteUnavailable(f"{self.endpoint} does not answer: {error}") from error
        return raw, told


def _message(status: int, body: bytes) -> str:
    try:
        error = json.loads(body)["error"]
        target = f" ({error['target']})" if error.get("target") else ""
        return f"{status} {error['code']}: {error['message']}{target}"
    except (ValueError, KeyError, TypeError):
        return f"{status}"
