//! The relay's own STUN server (RFC 8489): tells whoever asks from what address
//! the question came, and does nothing else.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rtc_stun::message::{BINDING_REQUEST, BINDING_SUCCESS, Message, is_stun_message};
use rtc_stun::xoraddr::XorMappedAddress;
use tokio::net::UdpSocket;
use tokio_util::sync::CancellationToken;

/// The longest packet that is read whole; a question is shorter.
const LONGEST: usize = 1500;

/// Between an error of the socket and the next look at it, which may fail again.
const AFTER_ERROR: Duration = Duration::from_millis(10);

/// A socket that answers once it is told to.
pub(crate) struct Stun {
    socket: UdpSocket,
    pub port: u16,
}

impl Stun {
    pub async fn bind(at: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(at).await?;
        let port = socket.local_addr()?.port();
        Ok(Self { socket, port })
    }

    /// Answers until `stop`.
    pub async fn serve(self, stop: CancellationToken) {
        stop.run_until_cancelled_owned(self.answer_all()).await;
    }

    async fn answer_all(self) {
        let mut buf = [0; LONGEST];
        loop {
            // A datagram refused by its receiver is reported here, and is none
            // of the next one's business.
            let Ok((len, from)) = self.socket.recv_from(&mut buf).await else {
                tokio::time::sleep(AFTER_ERROR).await;
                continue;
            };
            if let Some(answer) = answer(&buf[..len], from) {
                // Whoever asks asks again.
                let _ = self.socket.try_send_to(&answer, from);
            }
        }
    }
}

/// The answer to a binding request; nothing else has one.
fn answer(packet: &[u8], from: SocketAddr) -> Option<Vec<u8>> {
    if !is_stun_message(packet) {
        return None;
    }
    let mut request = Message::new();
    request.unmarshal_binary(packet).ok()?;
    if request.typ != BINDING_REQUEST {
        return None;
    }
    let seen = XorMappedAddress {
        // A socket for both families shows IPv4 within IPv6.
        ip: from.ip().to_canonical(),
        port: from.port(),
    };
    // Nothing more: an address can be made up, and what is sent there is to be
    // little more than what was sent here.
    let mut response = Message::new();
    let built = response.build(&[
        Box::new(request.transaction_id),
        Box::new(BINDING_SUCCESS),
        Box::new(seen),
    ]);
    built.ok().map(|()| response.raw)
}

#[cfg(test)]
mod tests {
    use rtc_stun::message::{Getter as _, TransactionId};

    use super::*;

    fn question() -> Vec<u8> {
        let mut request = Message::new();
        let id = TransactionId([7; 12]);
        request
            .build(&[Box::new(id), Box::new(BINDING_REQUEST)])
            .unwrap();
        request.raw
    }

    #[test]
    fn whoever_asks_is_told_its_address() {
        for (from, ip) in [
            ("192.0.2.7:4000", "192.0.2.7"),
            ("[::ffff:192.0.2.7]:4000", "192.0.2.7"),
            ("[2001:db8::7]:4000", "2001:db8::7"),
        ] {
            let answer = answer(&question(), from.parse().unwrap()).unwrap();
            let mut read = Message::new();
            read.unmarshal_binary(&answer).unwrap();
            assert_eq!(read.transaction_id.0, [7; 12]);
            let mut seen = XorMappedAddress::default();
            seen.get_from(&read).unwrap();
            assert_eq!((seen.ip.to_string(), seen.port), (ip.to_owned(), 4000));
            assert!(answer.len() <= 44);
        }
    }

    #[test]
    fn nothing_else_is_answered() {
        let from = "192.0.2.7:4000".parse().unwrap();
        let answered = answer(&question(), from).unwrap();
        assert_eq!(answer(&answered, from), None);
        assert_eq!(answer(b"", from), None);
        let whole = question();
        for len in 0..whole.len() {
            assert_eq!(answer(&whole[..len], from), None, "{len}");
        }
    }
}
