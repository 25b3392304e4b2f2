"""The edge's process: settings as JSON on the command line, the secret of this start in the environment."""

import os
import sys
from pathlib import Path
from typing import Any

import msgspec

from sip.edge.process import argv, prepare, program
from sip.edge.settings import EdgeSettings


def main() -> None:
    """Become Kamailio. Raises SystemExit when that cannot be."""
    settings = msgspec.json.decode(sys.argv[1], type=EdgeSettings, dec_hook=_path)
    secret = os.environ.pop("TANDEM_EDGE_SECRET", "")
    os.environ.pop("TANDEM_READY_FD", None)
    executable = program()
    if executable is None:
        sys.exit("the SIP edge: kamailio is not installed")
    try:
        prepare(settings, secret)
    except (OSError, ValueError) as error:
        sys.exit(f"the SIP edge: {error}")
    os.execv(executable, argv(settings, executable))  # noqa: S606 - the supervisor's child is Kamailio itself


def _path(kind: type, value: Any) -> Any:  # noqa: ANN401 - msgspec's hook
    return Path(value) if kind is Path else value


if __name__ == "__main__":
    main()
