"""SIP and SDP as they stand on the wire: small, pure, for simulated peers, ladders and tests.

Carriers' traffic is read by Kamailio and pjsip; this is the independent witness beside them.
"""
