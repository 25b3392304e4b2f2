"""Kernels: pure functions and struct-of-arrays objects over whole batches of streams, in numpy.

Audio is int16, linear, native order, C-contiguous, `[streams, samples]`; payloads are uint8 `[streams,
octets]`. Kernels write into the caller's `out` and hold no reference to it. What has state per stream is an
object with a capacity; `rows` names the streams (slots) a call works on, each at most once. Below `types.FEW`
rows a kernel may work row by row: the samples are the same as in a batch. None is safe to use from two
threads.
"""
