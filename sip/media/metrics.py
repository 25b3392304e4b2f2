"""Audio in Prometheus' words."""

from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sip.media.admin import EngineReply, MediaReply

_GAUGES: tuple[tuple[str, str, Callable[[EngineReply], float]], ...] = (
    ("engine_up", "Whether the gateway is connected to the engine.", lambda one: one.connected),
    ("legs", "Legs.", lambda one: one.legs),
    ("max_legs", "Legs that the engine takes at most.", lambda one: one.max_legs),
    ("bridges", "Bridges: calls and conferences.", lambda one: one.bridges),
    ("streams", "Directions in which audio flows.", lambda one: one.streams),
    ("busy_ratio", "Share of the last second in which the engine worked.", lambda one: one.busy),
    ("received_packets_per_second", "Packets of RTP received.", lambda one: one.received),
    ("sent_packets_per_second", "Packets of RTP sent.", lambda one: one.sent),
    (
        "worst_tick_seconds",
        "The longest delay of a tick in the last second.",
        lambda one: one.worst_tick_ms / 1000,
    ),
    ("ports_free", "Ports that a leg can be given.", lambda one: one.ports_free),
    ("accepts", "Whether the engine takes more legs.", lambda one: one.accepts),
)

_COUNTERS: tuple[tuple[str, str, Callable[[EngineReply], float]], ...] = (
    ("late_ticks", "Ticks that began more than 20 ms late.", lambda one: one.late_ticks),
    ("shed_packets", "Packets that were dropped for their age.", lambda one: one.shed),
)


class MediaCollector(Collector):
    """Reads what is known when it is scraped; the engines themselves are not asked."""

    def __init__(self, media: Callable[[], MediaReply]) -> None:
        self._media = media

    def collect(self) -> Iterable[Metric]:
        """Return the series."""
        media = self._media()
        for name, text, read in _GAUGES:
            gauge = GaugeMetricFamily(f"tandem_media_{name}", text, labels=("engine",))
            for engine in media.engines:
                gauge.add_metric((engine.name,), read(engine))
            yield gauge
        for name, text, read in _COUNTERS:
            counter = CounterMetricFamily(f"tandem_media_{name}", text, labels=("engine",))
            for engine in media.engines:
                if engine.connected:  # one that is away is no zero: that would look like a restart
                    counter.add_metric((engine.name,), read(engine))
            yield counter
        yield CounterMetricFamily(
            "tandem_media_engine_losses", "Engines that ended with their calls.", media.engine_losses
        )
        io = media.media_io
        if io is None:
            return
        yield GaugeMetricFamily("tandem_media_io_up", "Whether media I/O is connected.", io.connected)
        yield GaugeMetricFamily("tandem_media_recordings", "Recordings that run.", io.recordings)
        yield GaugeMetricFamily("tandem_media_prompts_decoding", "Prompts in the making.", io.decoding)
        yield GaugeMetricFamily(
            "tandem_media_prompts_cached_bytes", "Memory of kept sounds.", io.cached_octets
        )
        if io.connected:
            yield CounterMetricFamily(
                "tandem_media_recording_frames_dropped", "Frames that came too late.", io.dropped
            )
            yield CounterMetricFamily(
                "tandem_media_recordings_failed", "Recordings that the disk ended.", io.failed
            )
