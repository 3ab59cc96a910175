"""What Prometheus reads at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram


class Metrics:
    """The counters of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "parrotlet_http_requests",
            "Requests that were answered.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "parrotlet_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ("route",),
            buckets=(0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800),
            registry=self.registry,
        )
        self.audio_seconds = Counter(
            "parrotlet_audio_seconds",
            "Length of the recordings that were transcribed.",
            ("model",),
            registry=self.registry,
        )

    def watch(self, name: str, text: str) -> Gauge:
        """Return a new gauge `name`, for `set` or `set_function`."""
        return Gauge(name, text, registry=self.registry)
