"""What is counted of every request."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Seconds: from a request that meets no disk to one at the clients' patience."""


class HttpMetrics:
    """The HTTP application's series, by operation: never by path, which callers choose."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._requests = Counter(
            "tandem_http_requests", "Requests answered.", ("operation", "status"), registry=registry
        )
        self._seconds = Histogram(
            "tandem_http_request_seconds",
            "Time to the answer.",
            ("operation",),
            buckets=BUCKETS,
            registry=registry,
        )
        self._errors = Counter("tandem_http_errors", "Error answers, by kind.", ("kind",), registry=registry)
        self.running = 0
        """Requests being worked on."""
        in_flight = Gauge("tandem_http_requests_in_flight", "Requests being worked on.", registry=registry)
        in_flight.set_function(lambda: self.running)
        self.refused_connections = Counter(
            "tandem_http_connections_refused", "Connections beyond the ceiling.", registry=registry
        )
        # Looking a labelled series up costs more than counting it.
        self._request_series: dict[tuple[str, int], Counter] = {}
        self._seconds_series: dict[str, Histogram] = {}

    def answered(self, operation: str, status: int, seconds: float) -> None:
        """Count an answer."""
        counter = self._request_series.get((operation, status))
        if counter is None:
            counter = self._request_series[operation, status] = self._requests.labels(operation, str(status))
            self._seconds_series.setdefault(operation, self._seconds.labels(operation))
        counter.inc()
        self._seconds_series[operation].observe(seconds)

    def failed(self, kind: str) -> None:
        """Count an error by its metric label."""
        self._errors.labels(kind).inc()
