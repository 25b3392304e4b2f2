"""libspandsp (Debian: libspandsp2) by ctypes, and the standard library's audioop: telephone audio by others.

audioop went with Python 3.13; the project runs on 3.11 and 3.12, where importing it warns.
"""

import ctypes
import warnings
from typing import Final

import numpy as np
from numpy.typing import NDArray

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)
    import audioop as audioop  # noqa: PLC0414 - handed on

ALAW: Final = 0
ULAW: Final = 1

_library = ctypes.CDLL("libspandsp.so.2")
_library.g711_init.restype = ctypes.c_void_p
_library.g711_init.argtypes = [ctypes.c_void_p, ctypes.c_int]
_library.g711_encode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
_library.g711_decode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
_library.g711_transcode.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
_library.g711_free.argtypes = [ctypes.c_void_p]
_library.alaw_to_ulaw.restype = ctypes.c_uint8
_library.alaw_to_ulaw.argtypes = [ctypes.c_uint8]
_library.ulaw_to_alaw.restype = ctypes.c_uint8
_library.ulaw_to_alaw.argtypes = [ctypes.c_uint8]
_library.plc_init.restype = ctypes.c_void_p
_library.plc_init.argtypes = [ctypes.c_void_p]
_library.plc_rx.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
_library.plc_fillin.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
_library.plc_free.argtypes = [ctypes.c_void_p]


def alaw_to_ulaw(code: int) -> int:
    """Return spandsp's entry of the Recommendation's table 4."""
    return int(_library.alaw_to_ulaw(code))


def ulaw_to_alaw(code: int) -> int:
    """Return spandsp's entry of the Recommendation's table 3."""
    return int(_library.ulaw_to_alaw(code))


class G711:
    """spandsp's G.711; `law` is ALAW or ULAW."""

    def __init__(self, law: int) -> None:
        self._state = ctypes.c_void_p(_library.g711_init(None, law))

    def encode(self, pcm: NDArray[np.int16], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Encode C-contiguous samples into `out`; return it."""
        _library.g711_encode(self._state, out.ctypes.data, pcm.ctypes.data, pcm.size)
        return out

    def decode(self, codes: NDArray[np.uint8], out: NDArray[np.int16]) -> NDArray[np.int16]:
        """Decode C-contiguous codes into `out`; return it."""
        _library.g711_decode(self._state, out.ctypes.data, codes.ctypes.data, codes.size)
        return out

    def transcode(self, codes: NDArray[np.uint8], out: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Translate codes of `law` to the other one into `out`; return it."""
        _library.g711_transcode(self._state, out.ctypes.data, codes.ctypes.data, codes.size)
        return out

    def close(self) -> None:
        """Give the state back."""
        _library.g711_free(self._state)


class Concealer:
    """spandsp's packet-loss concealment, 8 kHz, one stream."""

    def __init__(self) -> None:
        self._state = ctypes.c_void_p(_library.plc_init(None))

    def good(self, frame: NDArray[np.int16]) -> None:
        """Take a frame that came; changed in place after a loss."""
        _library.plc_rx(self._state, frame.ctypes.data, frame.size)

    def lost(self, out: NDArray[np.int16]) -> None:
        """Make a frame up."""
        _library.plc_fillin(self._state, out.ctypes.data, out.size)

    def close(self) -> None:
        """Give the state back."""
        _library.plc_free(self._state)
