"""Users and tokens in Prometheus' words."""

from prometheus_client import CollectorRegistry, Counter


class IdentityMetrics:
    """Counters of one gateway."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._changes = Counter(
            "tandem_identity_changes",
            "Users made, revoked and deleted, and tokens issued.",
            ["change"],
            registry=registry,
        )
        self._checks = Counter(
            "tandem_identity_token_checks",
            "Tokens that were checked: remembered, verified by signature, or refused.",
            ["result"],
            registry=registry,
        )

    def changed(self, change: str) -> None:
        """Count a change: `created`, `issued`, `revoked` or `deleted`."""
        self._changes.labels(change).inc()

    def checked(self, result: str) -> None:
        """Count a check: `remembered`, `verified` or `refused`."""
        self._checks.labels(result).inc()
