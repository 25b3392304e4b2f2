"""The processes that signal calls: which there are, how they are started, where they listen."""

import os
import secrets
import sys
from typing import Final

import msgspec

from sip.edge.settings import EdgeSettings
from sip.workers.fleet import FleetSettings
from sip.workers.messages import WorkerSettings
from tandem.config.tree import Configuration
from tandem.media_processes import socket_folder
from tandem.supervisor.spec import ChildSpec, Ready

STOP_SECONDS: Final = 3.0
LOOPBACK: Final = "127.0.0.1"
EDGE_SECRET: Final = "TANDEM_EDGE_SECRET"  # noqa: S105 - the name of a variable
"""Names the variable by which the supervisor's children have the secret of this start."""


def voice_children(configuration: Configuration) -> list[ChildSpec]:
    """Return what signals calls. It starts once the gateway is ready, and nobody waits for it.

    It is ready as soon as it runs: a SIP port that is taken must not keep the node from sending texts.
    """
    if not configuration.calls_run():
        return []
    specs = [_child("sip-workers", "sip.workers", msgspec.json.encode(worker_settings(configuration)))]
    if configuration.sip.has_edge():
        settings = msgspec.json.encode(edge_settings(configuration), enc_hook=os.fspath)
        specs.append(_child("sip-edge", "sip.edge", settings))
    return specs


def _child(name: str, module: str, settings: bytes) -> ChildSpec:
    return ChildSpec(
        name,
        (sys.executable, "-m", module, settings.decode()),
        ready=Ready.STARTED,
        after=("gateway",),
        stop_order=2,
        stop_seconds=STOP_SECONDS,
    )


def new_secret() -> str:
    """Return what edge and workers know each other by until the node stops (`EDGE_SECRET`)."""
    return secrets.token_hex(16)


def edge_settings(configuration: Configuration) -> EdgeSettings:
    """Return what the edge is told."""
    sip = configuration.sip
    data = configuration.data.absolute()
    tls = sip.certificate is not None
    return EdgeSettings(
        folder=socket_folder(configuration) / "edge",
        address=sip.address,
        port=sip.port,
        public_address=sip.public_address,
        tls_port=sip.tls_port if tls else None,
        certificate=data / sip.certificate if sip.certificate else None,
        certificate_key=data / sip.certificate_key if sip.certificate_key else None,
        worker_host=LOOPBACK,
        first_worker_port=sip.first_worker_port,
        ins=sip.workers(),
        outs=sip.workers(),
    )


def worker_settings(configuration: Configuration) -> WorkerSettings:
    """Return what the workers are told.

    Without an edge there is one, on the SIP port itself, that takes nobody's calls until the gateway says
    whose.
    """
    sip = configuration.sip
    folder = os.fspath(socket_folder(configuration))
    if not sip.has_edge():
        return WorkerSettings(
            folder=folder,
            host=sip.address,
            public_host=sip.public_address,
            first_port=sip.port,
            workers=1,
        )
    return WorkerSettings(
        folder=folder,
        host=LOOPBACK,
        first_port=sip.first_worker_port,
        workers=2 * sip.workers(),
        edge=edge_settings(configuration).inside,
    )


def fleet_settings(configuration: Configuration) -> FleetSettings:
    """Return where the gateway finds the workers."""
    sip = configuration.sip
    told = worker_settings(configuration)
    ins, outs = (sip.workers(), sip.workers()) if sip.has_edge() else (1, 0)
    return FleetSettings(folder=told.folder, ins=ins, outs=outs, host=told.host, first_port=told.first_port)
