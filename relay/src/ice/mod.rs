//! Servers that help data channels through routers: which ones peers are told
//! of, with credentials that last for a while.

mod credentials;
mod server;
mod stun;

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use samara_core::Message;
use samara_core::message::IceServer;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use crate::config::Ice;
use credentials::credentials;
pub use credentials::{EmptySecret, TurnSecret};
pub use server::{IceUrl, IceUrlError};
pub(crate) use stun::Stun;

/// So many of what a relay names peers use.
const USED: usize = 8;

/// What peers are told of. Empty when the operator named nothing.
#[derive(Debug)]
pub(crate) struct Offer {
    stun: Vec<IceUrl>,
    turn: Vec<IceUrl>,
    secret: Option<TurnSecret>,
    lifetime: Duration,
}

impl Offer {
    /// `own` is the port of the relay's own STUN server.
    pub fn new(config: &Ice, own: Option<u16>) -> Self {
        let own = own.map(IceUrl::of_relay);
        let named = own.iter().len() + config.stun.len() + config.turn.len();
        if named > USED {
            tracing::warn!("peers use {USED} STUN and TURN servers of {named}, TURN first");
        }
        Self {
            stun: own.into_iter().chain(config.stun.clone()).collect(),
            turn: config.turn.clone(),
            secret: config.turn_secret.clone(),
            lifetime: config.turn_lifetime,
        }
    }

    /// When to tell one peer again: in time before what it was told ends.
    /// `None` if there is nothing to tell.
    pub fn turns(&self) -> Option<Interval> {
        if self.stun.is_empty() && self.turn.is_empty() {
            return None;
        }
        let half = self.lifetime / 2;
        let mut turns = interval_at(Instant::now() + half, half);
        turns.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Some(turns)
    }

    /// For one peer of that host, from now on.
    pub fn message(&self, host: IpAddr) -> Result<Bytes, getrandom::Error> {
        // A TURN server answers what a STUN server does.
        let mut servers = Vec::new();
        if let Some(secret) = &self.secret {
            let now = SystemTime::now().duration_since(UNIX_EPOCH);
            let until = now.unwrap_or_default() + self.lifetime;
            for turn in &self.turn {
                let (username, credential) = credentials(secret, until.as_secs(), host)?;
                servers.push(IceServer {
                    url: turn.as_str().to_owned(),
                    username,
                    credential,
                });
            }
        }
        servers.extend(self.stun.iter().map(IceUrl::open));
        servers.truncate(IceServer::MOST);
        let lifetime = u32::try_from(self.lifetime.as_secs()).unwrap_or(u32::MAX);
        Ok(Message::IceServers { lifetime, servers }.encode())
    }
}
