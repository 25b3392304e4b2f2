"""What loss and jitter leave of audio that goes through the media engine's play-out.

    python -m bench media_quality [--seconds 120]

Random samples as PCMU, 50 packets a second, in an engine whose time passes by hand: loss at random, each
packet late by up to the jitter, evenly, so that packets overtake each other. A frame is whole when every
sample of it is heard as it was sent; the one after a loss is blended in and is not. The first five seconds,
in which the buffer learns, are not counted.
"""

import argparse
from typing import Final

from rich.console import Console
from rich.table import Table

from tests.support.media_quality import through

LOSSES: Final = (0.0, 0.01, 0.05, 0.10)
JITTERS_MS: Final = (0.0, 20.0, 60.0)


def quality(seconds: float) -> Table:
    """Return a row for each loss and jitter."""
    table = Table(title="Loss and jitter through the engine", title_justify="left")
    for name in (
        "loss",
        "jitter ms",
        "concealed",
        "too late",
        "frames whole",
        "in order",
        "delay ms",
        "buffer ms",
        "MOS",
    ):
        table.add_column(name, justify="right")
    for jitter in JITTERS_MS:
        for loss in LOSSES:
            heard = through(loss, jitter, seconds)
            table.add_row(
                f"{heard.lost_share:.2%}",
                f"{jitter:.0f}",
                f"{heard.concealed_share:.2%}",
                f"{heard.late_share:.2%}",
                f"{heard.whole_share:.2%}",
                "yes" if heard.in_order else "no",
                f"{heard.delay_ms:.0f}",
                f"{heard.depth_ms:.0f}",
                f"{heard.mos:.2f}",
            )
    return table


def main(arguments: list[str]) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m bench media_quality", description=__doc__)
    parser.add_argument("--seconds", type=float, default=120.0, help="of audio a row")
    Console(width=120).print(quality(parser.parse_args(arguments).seconds))
