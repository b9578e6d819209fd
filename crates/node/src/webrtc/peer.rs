//! One peer connection: from a description to its end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use samara_swarm::{Pair, Path, Signal};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use webrtc::data_channel::{DataChannel, RTCDataChannelInit};
use webrtc::error::Error;
use webrtc::peer_connection::{
    PeerConnection, RTCIceCandidateInit, RTCIceCandidateType, RTCSessionDescription,
};

use super::binding::{Fingerprint, binding, of_certificate, of_description};
use super::carry::{self, Early};
use super::ends::Heard;
use super::make::{Made, make};
use super::ports::Taken;
use super::runtime::IsOpen;
use super::{Agreed, Role, Ways, candidate};
use crate::connection::{Incoming, Outgoing};

/// The channel's name and number on both ends (`docs/protocol.md`,
/// "Transports"). Agreed on beforehand, so both make it at once.
const LABEL: &str = "samara";
const NUMBER: u16 = 0;

/// Longest message where the other end takes more, in bytes. Browsers do it
/// the same; the speed does not grow beyond.
const MOST_ON_CHANNEL: usize = 64 << 10;

/// A peer connection with its channel.
pub(super) struct Peer {
    connection: Arc<dyn PeerConnection>,
    channel: Arc<dyn DataChannel>,
    heard: Heard,
    /// Set once the channel is open.
    open: IsOpen,
    signals: mpsc::Receiver<Signal>,
    /// Where it is reached, if that is not where the crate thinks.
    port: Option<u16>,
    /// The port that it has for itself.
    _taken: Option<Taken>,
    /// Whether this side made the offer.
    offers: bool,
    own: Option<Own>,
    /// What it goes through, as was said last.
    pair: Option<Pair>,
    /// Closes the connection however its task ends.
    closing: Closing,
}

/// What this end's description says.
struct Own {
    fingerprint: Fingerprint,
    /// Of its one medium, the channel's.
    mid: String,
}

impl Own {
    /// `None` if it says what no other end could go by.
    fn of(sdp: &str) -> Option<Self> {
        let mut lines = sdp.lines();
        let mid = lines.find_map(|line| line.strip_prefix("a=mid:"))?;
        Some(Self {
            fingerprint: of_description(sdp)?,
            mid: mid.to_owned(),
        })
    }
}

impl Peer {
    pub async fn new(
        ways: &Ways,
        role: &Role,
        signals: mpsc::Receiver<Signal>,
        tasks: TaskTracker,
    ) -> Result<Self, Error> {
        let Made {
            connection,
            heard,
            open,
            port,
            taken,
        } = make(ways, role).await?;
        let closing = Closing {
            connection: Arc::clone(&connection),
            tasks,
            done: false,
        };
        let negotiated = RTCDataChannelInit {
            negotiated: Some(NUMBER),
            ..RTCDataChannelInit::default()
        };
        let channel = connection.create_data_channel(LABEL, Some(negotiated));
        Ok(Self {
            channel: channel.await?,
            connection,
            heard,
            signals,
            open,
            port,
            _taken: taken,
            pair: None,
            offers: matches!(role, Role::Offer),
            own: None,
            closing,
        })
    }

    /// Makes the connection and carries messages; why it ended, for a person.
    pub async fn run(
        &mut self,
        role: Role,
        incoming: &Incoming,
        outgoing: Outgoing,
        stop: CancellationToken,
    ) -> String {
        let opened = tokio::select! {
            opened = self.open(role, incoming) => opened,
            () = stop.cancelled() => Err("the attempt was given up".to_owned()),
        };
        let (agreed, early) = match opened {
            Ok(opened) => opened,
            Err(reason) => return reason,
        };
        let connected = incoming.connected(Path::WebRtc, agreed.max_message, agreed.binding);
        if connected.await.is_err() {
            return "the node was stopped".to_owned();
        }
        self.select(incoming).await;
        let channel = Arc::clone(&self.channel);
        let carried = carry::carry(&*channel, early, incoming, outgoing);
        tokio::select! {
            reason = carried => reason,
            reason = self.trickle(incoming) => reason,
        }
    }

    pub async fn close(mut self) {
        self.closing.done = true;
        close(&*self.connection).await;
    }

    async fn open(&mut self, role: Role, incoming: &Incoming) -> Result<(Agreed, Early), String> {
        let described = self.describe(role, incoming).await;
        described.map_err(|error| not_made(&error))?;
        let channel = Arc::clone(&self.channel);
        let early = tokio::select! {
            opened = carry::opened(&*channel) => opened?,
            reason = self.trickle(incoming) => return Err(reason),
        };
        self.open.store(true, Ordering::Release);
        let agreed = self.agreed().await.map_err(|error| not_made(&error))?;
        Ok((agreed, early))
    }

    /// Tells the other end of this one.
    async fn describe(&mut self, role: Role, incoming: &Incoming) -> Result<(), Error> {
        let (own, signal): (_, fn(String) -> Signal) = match role {
            Role::Offer => (self.connection.create_offer(None).await?, Signal::Offer),
            Role::Answer(offer) => {
                let offer = RTCSessionDescription::offer(offer)?;
                self.connection.set_remote_description(offer).await?;
                (self.connection.create_answer(None).await?, Signal::Answer)
            }
        };
        self.own = Some(Own::of(&own.sdp).ok_or(Error::ErrNonCertificate)?);
        let sdp = own.sdp.clone();
        self.connection.set_local_description(own).await?;
        incoming.signal(signal(sdp)).await;
        Ok(())
    }

    /// Passes on what each end says to the other until the connection ends;
    /// why it did.
    async fn trickle(&mut self, incoming: &Incoming) -> String {
        loop {
            let said = tokio::select! {
                Some(said) = self.signals.recv() => said,
                Some(found) = self.heard.candidates.recv() => {
                    self.tell(incoming, found).await;
                    continue;
                }
                () = self.heard.ice.notified() => {
                    self.select(incoming).await;
                    continue;
                }
                () = self.heard.over.cancelled() => {
                    return "the direct connection to the peer failed".to_owned();
                }
            };
            if let Err(error) = self.take(said).await {
                return not_made(&error);
            }
        }
    }

    /// Tells the other end how this one might be reached. A connection has one
    /// medium, which the crate leaves out.
    async fn tell(&self, incoming: &Incoming, found: RTCIceCandidateInit) {
        let candidate = candidate::reachable(&found.candidate, self.port);
        if let (Some(candidate), Some(own)) = (candidate, &self.own) {
            let candidate = Signal::Candidate {
                mid: own.mid.clone(),
                mline: 0,
                candidate,
            };
            incoming.signal(candidate).await;
        }
    }

    /// Says what the open channel goes through, where that is news.
    async fn select(&mut self, incoming: &Incoming) {
        if !self.open.load(Ordering::Acquire) {
            return;
        }
        let pair = selected(&*self.connection).await;
        if let Some(pair) = pair.filter(|pair| self.pair != Some(*pair)) {
            self.pair = Some(pair);
            incoming.selected(pair).await;
        }
    }

    /// Takes what the other end says.
    async fn take(&mut self, said: Signal) -> Result<(), Error> {
        match said {
            Signal::Answer(sdp) => {
                let answer = RTCSessionDescription::answer(sdp)?;
                self.connection.set_remote_description(answer).await
            }
            Signal::Candidate {
                mid,
                mline,
                candidate,
            } => {
                let candidate = RTCIceCandidateInit {
                    candidate,
                    sdp_mid: Some(mid),
                    sdp_mline_index: Some(mline),
                    ..RTCIceCandidateInit::default()
                };
                // One that cannot be used is no reason to do without the others.
                if let Err(error) = self.connection.add_ice_candidate(candidate).await {
                    tracing::trace!(%error, "a candidate is of no use");
                }
                Ok(())
            }
            Signal::Offer(_) => Err(Error::Other("a second offer".to_owned())),
        }
    }

    /// The channel is open: what its ends know of it.
    async fn agreed(&self) -> Result<Agreed, Error> {
        let sctp = self.connection.sctp().await;
        let sctp = sctp.ok_or(Error::ErrSCTPTransportNotExisted)?;
        let max_message = sctp.max_message_size().await? as usize;
        let certificates = sctp.transport().get_remote_certificates().await?;
        let other = certificates.first().ok_or(Error::ErrNonCertificate)?;
        let other = of_certificate(other);
        let own = self.own.as_ref().ok_or(Error::ErrNonCertificate)?;
        let own = own.fingerprint;
        Ok(Agreed {
            max_message: max_message.min(MOST_ON_CHANNEL),
            binding: if self.offers {
                binding(own, other)
            } else {
                binding(other, own)
            },
        })
    }
}

/// What a connection's packets go through; `None` while ICE has selected
/// nothing.
async fn selected(connection: &dyn PeerConnection) -> Option<Pair> {
    let ice = connection.sctp().await?.transport().ice_transport();
    let pair = ice.get_selected_candidate_pair().await.ok()??;
    let remote = pair.remote();
    // The other side's server may have been heard from before it was named.
    let others = ice.get_remote_candidates().await.unwrap_or_default();
    let same = others
        .iter()
        .filter(|other| (&other.address, other.port) == (&remote.address, remote.port));
    let mut ends = [pair.local(), remote].into_iter().chain(same);
    let turn = ends.any(|end| end.typ == RTCIceCandidateType::Relay);
    Some(if turn { Pair::Turn } else { Pair::Direct })
}

fn not_made(error: &Error) -> String {
    format!("the direct connection to the peer could not be made: {error}")
}

/// A connection that is closed when this goes: the crate's own task outlives
/// its handles.
struct Closing {
    connection: Arc<dyn PeerConnection>,
    tasks: TaskTracker,
    done: bool,
}

impl Drop for Closing {
    fn drop(&mut self) {
        // Without a runtime there is no task to end.
        if !self.done
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let connection = Arc::clone(&self.connection);
            let close = async move { close(&*connection).await };
            self.tasks.spawn_on(close, &runtime);
        }
    }
}

async fn close(connection: &dyn PeerConnection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a data channel was not closed in order");
    }
}
