"""`python -m sip.media.io --settings JSON`: media I/O as a process of a node."""

import argparse
import sys

import msgspec
import structlog

from sip.media.io.main import run
from sip.media.io.settings import IoSettings
from telephony.kernel import log
from telephony.kernel.errors import ConfigurationError

EX_CONFIG = 78
"""What a supervisor takes for a configuration that no restart helps (sysexits.h)."""


def main() -> int:
    """Run what the command line says; return the status to exit with."""
    parser = argparse.ArgumentParser(prog="sip.media.io", description="Media I/O: prompts and recordings.")
    parser.add_argument("--settings", required=True, help="`IoSettings` as JSON")
    given = parser.parse_args()
    try:
        settings = msgspec.json.decode(given.settings, type=IoSettings, dec_hook=_decoded)
    except msgspec.MsgspecError as error:
        parser.error(f"--settings: {error}")
    log.configure(settings.log)
    try:
        run(settings)
    except ConfigurationError as error:
        structlog.get_logger(__name__).error("process.misconfigured", reason=error.message)
        return EX_CONFIG
    return 0


def _decoded(kind: type, value: object) -> object:
    return kind(value)


if __name__ == "__main__":
    sys.exit(main())
