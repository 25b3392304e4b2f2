"""The processes that signal calls: which there are, how they are started, where they listen."""

import os
import sys
from typing import Final

import msgspec

from sip.settings import SipSettings
from sip.workers.fleet import FleetSettings
from sip.workers.messages import WorkerSettings
from tandem.config.tree import Configuration
from tandem.media_processes import socket_folder
from tandem.supervisor.spec import ChildSpec, Ready

STOP_SECONDS: Final = 3.0


def voice_children(configuration: Configuration) -> list[ChildSpec]:
    """Return what signals calls. It starts once the gateway is ready, and nobody waits for it.

    It is ready as soon as it runs: a SIP port that is taken must not keep the node from sending texts.
    """
    if not configuration.calls_run():
        return []
    settings = msgspec.json.encode(worker_settings(configuration)).decode()
    return [
        ChildSpec(
            "sip-workers",
            (sys.executable, "-m", "sip.workers", settings),
            ready=Ready.STARTED,
            after=("gateway",),
            stop_order=2,
            stop_seconds=STOP_SECONDS,
        )
    ]


def worker_settings(configuration: Configuration) -> WorkerSettings:
    """Return what the workers are told: one, on the SIP port itself, that takes nobody's calls until the
    gateway says whose."""
    sip = configuration.sip
    return WorkerSettings(
        folder=os.fspath(socket_folder(configuration)),
        host=sip.address,
        first_port=sip.port,
        workers=1,
        codecs=("PCMU", "PCMA", "G722"),
    )


def fleet_settings(configuration: Configuration) -> FleetSettings:
    """Return where the gateway finds the workers."""
    sip: SipSettings = configuration.sip
    return FleetSettings(
        folder=os.fspath(socket_folder(configuration)),
        ins=1,
        outs=0,
        host=sip.address,
        first_port=sip.port,
    )
