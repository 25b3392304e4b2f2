"""The supervisor: the parent of every process of a node.

It starts (exec, never a bare fork), restarts with back-off, reaps, and stops in order. It opens no database,
no socket but the one that systemd names, and imports nothing but the standard library: what does nothing else
has little reason to die.
"""
