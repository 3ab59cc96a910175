"""What Prometheus reads at /metrics."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector

from parrotlet.serve.admission import Admission
from parrotlet.serve.models import ModelPool

_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 1800)


class Metrics:
    """The figures of one server, in a registry of their own."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self.requests = Counter(
            "parrotlet_http_requests",
            "Requests that were answered; status 499 if the client went away before.",
            ("route", "method", "status"),
            registry=self.registry,
        )
        self.request_seconds = Histogram(
            "parrotlet_http_request_duration_seconds",
            "Time from a request to the end of its answer.",
            ("route",),
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.audio_seconds = Counter(
            "parrotlet_audio_seconds",
            "Length of the recordings that were transcribed.",
            ("model",),
            registry=self.registry,
        )
        self._running = self._gauge("recordings_running", "Recordings that are being recognised.")
        self._waiting = self._gauge("recordings_waiting", "Recordings that arrive or wait.")
        self._loaded = self._gauge("model_loaded", "Whether a model is in memory.", "model")
        self._streams = self._gauge("streams", "Live streams that are open.", "model")
        self._behind = self._gauge(
            "stream_behind_seconds",
            "99th percentile of the time from the last sample of a chunk to its text.",
            "model",
        )

    def look(self, admission: Admission, models: ModelPool) -> None:
        """Set the figures of this moment."""
        self._running.set(admission.running)
        self._waiting.set(admission.waiting)
        for name in models.names:
            stats = models.stream_stats(name)
            self._loaded.labels(name).set(name in models.loaded)
            self._streams.labels(name).set(stats.streams if stats else 0)
            self._behind.labels(name).set(stats.milliseconds_behind_99 / 1e3 if stats else 0)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"parrotlet_{name}", text, labels, registry=self.registry)
