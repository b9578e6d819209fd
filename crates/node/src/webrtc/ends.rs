//! What a peer connection tells by itself, for the task that owns it.

use std::sync::Arc;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use webrtc::data_channel::DataChannel;
use webrtc::peer_connection::{
    PeerConnectionEventHandler, RTCIceCandidateInit, RTCIceConnectionState,
    RTCPeerConnectionIceEvent, RTCPeerConnectionState,
};

use crate::doubt::Doubt;

/// Candidates of this end waiting for the task: one for each of its addresses
/// and servers. What is more is dropped.
const CANDIDATES: usize = 64;

/// Listens to a peer connection.
pub(super) struct Listener {
    candidates: mpsc::Sender<RTCIceCandidateInit>,
    ice: Arc<Notify>,
    doubt: Doubt,
    over: CancellationToken,
}

/// What was heard.
pub(super) struct Heard {
    /// Candidates of this end.
    pub candidates: mpsc::Receiver<RTCIceCandidateInit>,
    /// ICE is in another state.
    pub ice: Arc<Notify>,
    /// The connection failed, ended, or was used as it may not be.
    pub over: CancellationToken,
}

/// A listener and what it hears; silence where there was none raises doubt.
pub(super) fn listen(doubt: Doubt) -> (Listener, Heard) {
    let (sender, candidates) = mpsc::channel(CANDIDATES);
    let (ice, over) = (Arc::default(), CancellationToken::new());
    let listener = Listener {
        candidates: sender,
        ice: Arc::clone(&ice),
        doubt,
        over: over.clone(),
    };
    let heard = Heard {
        candidates,
        ice,
        over,
    };
    (listener, heard)
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Listener {
    async fn on_ice_candidate(&self, event: RTCPeerConnectionIceEvent) {
        if let Ok(candidate) = event.candidate.to_json() {
            let _ = self.candidates.try_send(candidate);
        }
    }

    async fn on_ice_connection_state_change(&self, state: RTCIceConnectionState) {
        if state == RTCIceConnectionState::Disconnected {
            self.doubt.raise();
        }
        self.ice.notify_one();
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        if matches!(
            state,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed
        ) {
            self.over.cancel();
        }
    }

    /// Both sides make the one channel themselves. Others would take memory
    /// that nobody reads.
    async fn on_data_channel(&self, _: Arc<dyn DataChannel>) {
        self.over.cancel();
    }
}
