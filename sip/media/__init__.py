"""Media: the process that carries the audio of every call, its kernels, and the media I/O beside it."""
