//! What is counted, for Prometheus (`docs/relay.md`, "Metrics").
//!
//! Each server has a recorder of its own: the library's global one would mix
//! the servers of one process.

use metrics::{Counter, Gauge, Key, KeyName, Label, Level, Metadata, Recorder as _};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use samara_core::message::{PART_HEADER_LEN, RESPONSE_HEADER_LEN};
use samara_node::SweepStats;

/// Everything counted. Clones count together.
#[derive(Clone)]
pub(crate) struct Metrics {
    text: PrometheusHandle,
    /// SIGNALs forwarded.
    pub signal_messages: Counter,
    /// Their bytes.
    pub signal_bytes: Counter,
    /// SIGNALs that a receiver was too slow for.
    pub signals_dropped: Counter,
    /// JOINs granted.
    pub joins: Counter,
    /// Blob bytes this relay gave to peers.
    blob_bytes_sent: Counter,
    /// Blob bytes peers gave to this relay.
    blob_bytes_received: Counter,
    /// WebSockets ever accepted.
    pub connections_total: Counter,
    /// Connections ended because of what the peer did.
    pub connections_cut: Counter,
    /// Queries to the DHT for topics.
    pub dht_lookups: Counter,
    /// Topics announced in the DHT.
    pub dht_announces: Counter,
    /// Bridges to other relays now.
    pub bridges: Gauge,
    /// Bridges to other relays ever.
    pub bridges_total: Counter,
    /// Bridges ended because of what the other relay did.
    pub bridges_cut: Counter,
    /// WebSockets now.
    pub connections: Gauge,
    /// Rooms now.
    pub rooms: Gauge,
    store_blobs: Gauge,
    store_bytes: Gauge,
    dht: Dht,
    sweep: Sweep,
}

/// What is to be done in the DHT and waits.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct DhtFigures {
    pub lookups_waiting: usize,
    pub announces_waiting: usize,
    pub announces_overdue: usize,
}

/// The same, for Prometheus.
#[derive(Clone)]
struct Dht {
    lookups_waiting: Gauge,
    announces_waiting: Gauge,
    announces_overdue: Gauge,
}

/// What is known of the announcing of blobs.
#[derive(Clone)]
struct Sweep {
    announced: Gauge,
    left_out: Gauge,
    nodes: Gauge,
    announcements: Counter,
    failures: Counter,
    sent: Counter,
    received: Counter,
}

impl Metrics {
    pub fn new() -> Self {
        let recorder = PrometheusBuilder::new().build_recorder();
        let counter = |name, help| counter(&recorder, name, help);
        let gauge = |name, help| gauge(&recorder, name, help);
        let version = Label::from_static_parts("version", env!("CARGO_PKG_VERSION"));
        let info = Key::from_parts("samara_build_info", vec![version]);
        let help = "Always 1; the label says which version runs.";
        recorder.describe_gauge(KeyName::from("samara_build_info"), None, help.into());
        recorder.register_gauge(&info, &METADATA).set(1.0);
        Self {
            text: recorder.handle(),
            signal_messages: counter(
                "samara_signal_messages_total",
                "Signals forwarded between members of rooms.",
            ),
            signal_bytes: counter(
                "samara_signal_bytes_total",
                "Bytes of the signals forwarded, circuits included.",
            ),
            signals_dropped: counter(
                "samara_signals_dropped_total",
                "Signals dropped because their receiver was too slow.",
            ),
            joins: counter("samara_joins_total", "Rooms entered by members."),
            blob_bytes_sent: counter(
                "samara_blob_bytes_sent_total",
                "Bytes of blobs this relay itself gave to peers.",
            ),
            blob_bytes_received: counter(
                "samara_blob_bytes_received_total",
                "Bytes of blobs peers gave to this relay itself.",
            ),
            connections_total: counter(
                "samara_connections_total",
                "WebSockets accepted since the start.",
            ),
            connections_cut: counter(
                "samara_connections_cut_total",
                "Connections ended because of what the peer did.",
            ),
            dht_lookups: counter(
                "samara_dht_lookups_total",
                "Rooms looked up in the DHT for their members.",
            ),
            dht_announces: counter(
                "samara_dht_announces_total",
                "Rooms under which this relay was announced in the DHT.",
            ),
            bridges: gauge("samara_bridges", "Bridges to other relays now."),
            bridges_total: counter(
                "samara_bridges_total",
                "Bridges to other relays since the start.",
            ),
            bridges_cut: counter(
                "samara_bridges_cut_total",
                "Bridges ended because of what the other relay did.",
            ),
            connections: gauge("samara_connections", "WebSockets open now."),
            rooms: gauge("samara_rooms", "Rooms with members now."),
            store_blobs: gauge("samara_store_blobs", "Blobs in the store."),
            store_bytes: gauge("samara_store_bytes", "Bytes of blobs in the store."),
            dht: Dht::new(&recorder),
            sweep: Sweep::new(&recorder),
        }
    }

    /// Counts what of a message to a peer is a blob's.
    pub fn sent(&self, message: &[u8]) {
        self.blob_bytes_sent.increment(blob_bytes(message));
    }

    /// Counts what of a message from a peer is a blob's.
    pub fn received(&self, message: &[u8]) {
        self.blob_bytes_received.increment(blob_bytes(message));
    }

    /// The text for Prometheus.
    pub fn render(
        &self,
        store: samara_store::Stats,
        sweep: Option<SweepStats>,
        dht: Option<DhtFigures>,
    ) -> String {
        self.store_blobs.set(approximate(store.blobs));
        self.store_bytes.set(approximate(store.bytes));
        self.dht.set(dht.unwrap_or_default());
        self.sweep.set(&sweep.unwrap_or_default());
        self.text.render()
    }
}

impl Dht {
    fn new(recorder: &PrometheusRecorder) -> Self {
        let gauge = |name, help| gauge(recorder, name, help);
        Self {
            lookups_waiting: gauge(
                "samara_dht_lookups_waiting",
                "Lookups of rooms in the DHT that wait for their turn.",
            ),
            announces_waiting: gauge(
                "samara_dht_announces_waiting",
                "Announcements of rooms in the DHT that wait for their turn.",
            ),
            announces_overdue: gauge(
                "samara_dht_announces_overdue",
                "Rooms whose announcement was due more than a minute ago.",
            ),
        }
    }

    fn set(&self, figures: DhtFigures) {
        let set = |gauge: &Gauge, figure: usize| gauge.set(approximate(figure as u64));
        set(&self.lookups_waiting, figures.lookups_waiting);
        set(&self.announces_waiting, figures.announces_waiting);
        set(&self.announces_overdue, figures.announces_overdue);
    }
}

impl Sweep {
    fn new(recorder: &PrometheusRecorder) -> Self {
        let counter = |name, help| counter(recorder, name, help);
        let gauge = |name, help| gauge(recorder, name, help);
        Self {
            announced: gauge(
                "samara_dht_blobs_announced",
                "Blobs announced in the DHT within the last interval.",
            ),
            left_out: gauge(
                "samara_dht_blobs_left_out",
                "Blobs to be announced that no packets were left for, or that no node took.",
            ),
            nodes: gauge(
                "samara_dht_nodes",
                "Nodes of the DHT known from announcing blobs.",
            ),
            announcements: counter(
                "samara_dht_blob_announces_total",
                "Announcements of blobs that enough nodes of the DHT took.",
            ),
            failures: counter(
                "samara_dht_blob_announce_failures_total",
                "Announcements of blobs that too few nodes of the DHT took.",
            ),
            sent: counter(
                "samara_dht_blob_packets_sent_total",
                "Packets sent to announce blobs.",
            ),
            received: counter(
                "samara_dht_blob_packets_received_total",
                "Packets received while announcing blobs.",
            ),
        }
    }

    fn set(&self, stats: &SweepStats) {
        self.announced.set(approximate(stats.announced as u64));
        self.left_out.set(approximate(stats.left_out() as u64));
        self.nodes.set(approximate(stats.nodes as u64));
        self.announcements.absolute(stats.announcements);
        self.failures.absolute(stats.failures);
        self.sent.absolute(stats.sent);
        self.received.absolute(stats.received);
    }
}

/// Bytes of a blob in a RESPONSE or PART; other messages carry none.
fn blob_bytes(message: &[u8]) -> u64 {
    let data = match message.first() {
        Some(3) => message.len().saturating_sub(RESPONSE_HEADER_LEN),
        Some(8) => message.len().saturating_sub(PART_HEADER_LEN),
        Some(_) | None => 0,
    };
    data as u64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "exact up to 8 PiB, and Prometheus has nothing better"
)]
fn approximate(value: u64) -> f64 {
    value as f64
}

const METADATA: Metadata<'static> = Metadata::new("samara_relay", Level::INFO, None);

fn counter(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Counter {
    recorder.describe_counter(KeyName::from(name), None, help.into());
    recorder.register_counter(&Key::from_static_name(name), &METADATA)
}

fn gauge(recorder: &PrometheusRecorder, name: &'static str, help: &'static str) -> Gauge {
    recorder.describe_gauge(KeyName::from(name), None, help.into());
    recorder.register_gauge(&Key::from_static_name(name), &METADATA)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use samara_core::{BlobId, Message, RequestId, Topic};

    use super::*;

    #[test]
    fn only_the_bytes_of_blobs_count_as_such() {
        let data = Bytes::from_static(b"sealed");
        let blob = BlobId::from_bytes([1; 32]);
        let request = RequestId(1);
        let response = Message::Response {
            request,
            blob,
            data: data.clone(),
        };
        let part = Message::Part {
            request,
            offset: 0,
            total: 6,
            data: data.clone(),
        };
        let signal = Message::Signal {
            topic: Topic::from_bytes([2; 20]),
            member: samara_core::MemberId(1),
            sealed: data,
        };
        assert_eq!(blob_bytes(&response.encode()), 6);
        assert_eq!(blob_bytes(&part.encode()), 6);
        assert_eq!(blob_bytes(&signal.encode()), 0);
        assert_eq!(blob_bytes(&[]), 0);
    }
}
