//! Why a connection ends, and what its peer is told.

use axum::extract::ws::{CloseCode, CloseFrame, close_code};
use bytes::Bytes;
use samara_core::message::ErrorCode;
use samara_core::{Message, RequestId};

/// Why a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Ending {
    #[error("it closed the connection")]
    Closed,
    #[error("the connection broke")]
    Broken,
    #[error("no handshake came first")]
    NoHandshake,
    #[error("no proof came after the handshake")]
    NoProof,
    #[error("no handshake came in time")]
    LateHandshake,
    #[error("it sent text where the protocol has bytes")]
    Text,
    #[error("it sent a message that cannot be read")]
    Malformed,
    #[error("it sent a message that only relays send")]
    Unexpected,
    #[error("it sent too many messages")]
    Flood,
    #[error("it sent a signal that is too long")]
    LongSignal,
    #[error("it takes messages too slowly")]
    Slow,
    #[error("it did not prove that it is who it says")]
    NotProven,
    #[error("it forwarded more than may be under way")]
    Overdrawn,
    #[error("it named more members than a room's newest")]
    Crowd,
    #[error("it told of members, or sent messages, as fast as it is read for too long")]
    Overload,
    #[error("it told what cannot be true too often")]
    Lies,
    #[error("it was cut off not long ago")]
    Shunned,
    #[error("it speaks another version of the protocol")]
    Version,
    #[error("there is another bridge between the two")]
    Bridged,
    #[error("it is this relay itself")]
    Myself,
    #[error("there are as many bridges as may be")]
    Full,
    #[error("nobody is in a room of both any more")]
    Idle,
    #[error("it was silent for too long")]
    Silent,
    #[error("the blob protocol ended it")]
    Protocol,
    #[error("the relay is stopping")]
    Stopping,
}

impl Ending {
    /// Whether the peer did what it must not.
    pub fn is_a_cut(self) -> bool {
        self.error_code().is_some()
    }

    /// Whether it is what no relay does on a bridge, whatever happens to it and
    /// whatever its members do.
    pub fn is_an_offence(self) -> bool {
        match self {
            Self::Text
            | Self::Malformed
            | Self::Unexpected
            | Self::Flood
            | Self::LongSignal
            | Self::Overdrawn
            | Self::Crowd
            | Self::Overload
            | Self::Lies
            | Self::Protocol => true,
            Self::Closed
            | Self::Broken
            | Self::NoHandshake
            | Self::NoProof
            | Self::LateHandshake
            | Self::Slow
            | Self::NotProven
            | Self::Version
            | Self::Bridged
            | Self::Myself
            | Self::Full
            | Self::Shunned
            | Self::Idle
            | Self::Silent
            | Self::Stopping => false,
        }
    }

    /// The ERROR to send before the end, if the peer is at fault.
    pub fn error(self) -> Option<Bytes> {
        let message = Message::Error {
            request: RequestId(0),
            code: self.error_code()?,
            text: self.to_string(),
        };
        Some(message.encode())
    }

    fn error_code(self) -> Option<ErrorCode> {
        match self {
            Self::NoHandshake | Self::NoProof | Self::Unexpected | Self::Lies => {
                Some(ErrorCode::UNEXPECTED)
            }
            Self::LateHandshake | Self::Silent => Some(ErrorCode::TIMEOUT),
            Self::Text | Self::Malformed => Some(ErrorCode::MALFORMED),
            Self::Flood
            | Self::LongSignal
            | Self::Slow
            | Self::Overdrawn
            | Self::Crowd
            | Self::Overload => Some(ErrorCode::TOO_MANY),
            Self::NotProven => Some(ErrorCode::NOT_PROVEN),
            Self::Version => Some(ErrorCode::VERSION),
            Self::Closed
            | Self::Broken
            | Self::Protocol
            | Self::Bridged
            | Self::Myself
            | Self::Full
            | Self::Shunned
            | Self::Idle
            | Self::Stopping => None,
        }
    }

    /// The close to send; `None` when nobody is there to read it.
    pub fn close(self) -> Option<CloseFrame> {
        let code = self.close_code()?;
        let reason = self.to_string().into();
        Some(CloseFrame { code, reason })
    }

    fn close_code(self) -> Option<CloseCode> {
        match self {
            Self::Closed | Self::Broken => None,
            Self::Text => Some(close_code::UNSUPPORTED),
            Self::Malformed => Some(close_code::PROTOCOL),
            Self::Stopping => Some(close_code::AWAY),
            Self::Bridged | Self::Myself | Self::Idle => Some(close_code::NORMAL),
            Self::Full | Self::Shunned => Some(close_code::AGAIN),
            Self::NoHandshake
            | Self::NoProof
            | Self::LateHandshake
            | Self::Unexpected
            | Self::Flood
            | Self::LongSignal
            | Self::Slow
            | Self::NotProven
            | Self::Overdrawn
            | Self::Crowd
            | Self::Overload
            | Self::Lies
            | Self::Version
            | Self::Silent
            | Self::Protocol => Some(close_code::POLICY),
        }
    }
}
