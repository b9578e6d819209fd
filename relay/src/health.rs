//! Whether the relay is well, for people and load balancers.

use std::time::Duration;

use serde::Serialize;

/// The answer of `GET /health`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Health {
    status: &'static str,
    version: &'static str,
    uptime_seconds: u64,
    connections: usize,
    rooms: usize,
    blobs: u64,
    store_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    store_max_bytes: Option<u64>,
}

impl Health {
    pub fn new(
        uptime: Duration,
        connections: usize,
        rooms: usize,
        store: samara_store::Stats,
    ) -> Self {
        Self {
            status: "ok",
            version: env!("CARGO_PKG_VERSION"),
            uptime_seconds: uptime.as_secs(),
            connections,
            rooms,
            blobs: store.blobs,
            store_bytes: store.bytes,
            store_max_bytes: store.max_bytes.map(Into::into),
        }
    }
}
