"""The simulated carrier's telephones: SIP over UDP on `sip.wire`, with a plain RTP loop of its own.

An independent witness: nothing here is shared with the engine or pjsip, so that what both agree on is so.
"""
