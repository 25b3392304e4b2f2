"""RTP and RTCP in batches: headers, order, loss, jitter, events, reports. Pure."""
