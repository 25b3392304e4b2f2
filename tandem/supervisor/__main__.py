"""`python -m tandem.supervisor`: reads the list of children from a pipe and runs them."""

import argparse
import os
import sys

from tandem.supervisor.shell import Supervisor
from tandem.supervisor.spec import decode


def main() -> int:
    """Run what `tandem run` handed over."""
    parser = argparse.ArgumentParser(prog="tandem.supervisor")
    parser.add_argument(
        "--children-fd", type=int, required=True, help="descriptor that holds the list, as JSON"
    )
    parser.add_argument("--json-log", action="store_true", help="log JSON")
    parser.add_argument("--quiet", action="store_true", help="log only what went wrong")
    options = parser.parse_args()
    with os.fdopen(options.children_fd, "rb") as handed:
        specs = decode(handed.read())
    return Supervisor(specs, json_log=options.json_log, quiet=options.quiet).run()


if __name__ == "__main__":
    sys.exit(main())
