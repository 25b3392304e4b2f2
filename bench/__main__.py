"""`python -m bench [NAME [OPTION …]]`: measure, and print tables. None of it is a test."""

import importlib
import os
import platform
import sys
from pathlib import Path

NAMES = (
    "store",
    "events",
    "sms",
    "numbers",
    "routing",
    "rates",
    "media_kernels",
    "media_rtp",
    "media_quality",
    "media",
)


def main(arguments: list[str]) -> None:
    """Run one measurement with its options, or all."""
    facts = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in facts if "model name" in line), "?")
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()}, {os.cpu_count()} × {model}, Python {platform.python_version()}, "
        f"Linux {platform.release()}; load before: {load:.1f}\n",
        flush=True,
    )
    for name in arguments[:1] or NAMES:
        importlib.import_module(f"bench.{name}").main(arguments[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
