"""The zygote as a process: settings as JSON on the command line's only argument, none of them secret but one.

The edge's secret of this start comes by the environment, where other users cannot see it.
"""

import os
import sys

import msgspec

from sip.workers import zygote
from sip.workers.messages import WorkerSettings


def main() -> None:
    """Run until SIGTERM. Raises SystemExit."""
    settings = msgspec.json.decode(sys.argv[1], type=WorkerSettings)
    secret = os.environ.pop("TANDEM_EDGE_SECRET", "")
    settings = msgspec.structs.replace(settings, secret=secret if settings.edge else "")
    descriptor = os.environ.pop("TANDEM_READY_FD", "")

    def ready() -> None:
        if descriptor:
            os.write(int(descriptor), b"ready\n")
            os.close(int(descriptor))

    zygote.run(settings, ready)


if __name__ == "__main__":
    main()
