"""pjsip as a worker uses it: no media, no threads, no devices. The only place that knows its traps.

The wheel is built with assertions: many mistakes end the process instead of raising. What must hold is said
where it holds. `pj.Error` has no text of its own; `told` reads it.
"""

import ctypes
import os
from pathlib import Path
from typing import Any, Final

import pjsua2 as pj

from sip.workers.messages import Credentials, WorkerSettings

MOST_CALLS: Final = 64
"""How many calls are asked for; a build gives what it was compiled for (the wheel 4)."""

_FRAME_OCTETS: Final = 320
"""20 ms of 8 kHz in 16 bits."""

_PRIORITIES: Final = 255
"""The first codec's; the next ones follow below."""


def told(error: Exception) -> str:
    """Return what an error of pjsip says."""
    info = getattr(error, "info", None)
    return str(info()).splitlines()[0] if callable(info) else str(error)


class _Frame(ctypes.Structure):
    """pjmedia_frame."""

    _fields_ = (
        ("type", ctypes.c_int),
        ("buf", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("timestamp", ctypes.c_uint64),
        ("bit_info", ctypes.c_uint32),
        ("room", ctypes.c_uint32 * 8),
    )


class Endpoint:
    """pjsip's one endpoint of the process, with a UDP transport."""

    def __init__(self, settings: WorkerSettings, port: int) -> None:
        """Start it. Raises what pjsip raises when the port is taken."""
        self._settings = settings
        self._library = ctypes.CDLL(str(next(Path(pj.__file__).parent.glob("_pjsua2*.so"))))
        self._library.pj_log_set_level(0)  # or its first words go to the terminal, before it can be told
        self._endpoint = pj.Endpoint()
        self._endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = config.logConfig.consoleLevel = 0
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = MOST_CALLS
        config.uaConfig.userAgent = settings.user_agent
        media = config.medConfig
        media.threadCnt = 0
        media.hasIoqueue = False
        media.clockRate = 8000
        media.ecTailLen = 0
        media.sndAutoCloseTime = -1
        self._endpoint.libInit(config)
        master = self._endpoint.audDevManager().setNoDev()
        self._master = int(master.this) if hasattr(master, "this") else int(master)
        self._get_frame = self._library.pjmedia_port_get_frame
        self._get_frame.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
        self._samples = ctypes.create_string_buffer(_FRAME_OCTETS)
        transport = pj.TransportConfig()
        transport.port = port
        transport.boundAddress = settings.host
        transport.publicAddress = settings.public_host
        number = self._endpoint.transportCreate(pj.PJSIP_TRANSPORT_UDP, transport)
        self._endpoint.libStart()
        self.port: int = int(self._endpoint.transportGetInfo(number).localName.rpartition(":")[2])
        """UDP port of SIP."""
        self.calls: int = int(self._library.pjsua_call_get_max_count())
        """How many calls this build holds."""
        self._order_codecs()

    def handle(self, milliseconds: int) -> None:
        """Wait for packets and timers and handle them; returns as soon as one was handled."""
        self._endpoint.libHandleEvents(milliseconds)

    def in_use(self) -> frozenset[int]:
        """Return pjsip's numbers of the calls that have a slot, those that are over and linger among them."""
        count = ctypes.c_uint(self.calls)
        numbers = (ctypes.c_int * self.calls)()
        self._library.pjsua_enum_calls(numbers, ctypes.byref(count))
        return frozenset(numbers[: count.value])

    def flush(self) -> None:
        """Let the conference bridge free the ports of ended streams: without a device it has no clock, and
        after 253 streams every call would get 488."""
        frame = _Frame()
        frame.buf = ctypes.addressof(self._samples)
        frame.size = _FRAME_OCTETS
        self._get_frame(self._master, ctypes.byref(frame))

    def account(
        self,
        *,
        srtp: int = 1,
        credentials: Credentials | None = None,
        session_timer: bool = True,
    ) -> Any:  # noqa: ANN401
        """Return the configuration of an account; `srtp` 0 never, 1 when the peer offers it, 2 always."""
        settings = self._settings
        config = pj.AccountConfig()
        config.idUri = f"sip:tandem@{settings.host}:{self.port}"
        if settings.edge:
            config.sipConfig.proxies.push_back(settings.edge)
        if credentials is not None:
            answer = pj.AuthCredInfo()
            answer.scheme = "digest"
            answer.realm = credentials.realm
            answer.username = credentials.username
            answer.dataType = 1  # PJSIP_CRED_DATA_DIGEST: HA1
            answer.data = credentials.ha1
            config.sipConfig.authCreds.push_back(answer)
        media = config.mediaConfig
        media.useLoopMedTp = True  # third-party media: pjsip opens no RTP socket at all
        media.transportConfig.boundAddress = settings.host
        media.srtpUse = srtp
        media.srtpSecureSignaling = 0
        media.lockCodecEnabled = False
        calls = config.callConfig
        calls.timerUse = pj.PJSUA_SIP_TIMER_OPTIONAL if session_timer else pj.PJSUA_SIP_TIMER_INACTIVE
        calls.timerSessExpiresSec = settings.session_seconds
        calls.timerMinSESec = settings.min_session_seconds
        calls.prackUse = pj.PJSUA_100REL_OPTIONAL
        return config

    def _order_codecs(self) -> None:
        places = {name: place for place, name in enumerate(self._settings.codecs)}
        for codec in self._endpoint.codecEnum2():
            name = codec.codecId.partition("/")[0]
            self._endpoint.codecSetPriority(
                codec.codecId, _PRIORITIES - places[name] if name in places else 0
            )


def leave(status: int = 0) -> None:
    """End the process: an interpreter that ends by itself aborts within pjsip."""
    os._exit(status)
