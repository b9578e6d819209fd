//! A relay on a free port, and peers on real sockets that speak to it by the
//! core's codec alone.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each suite uses its part, and a test ends where something fails"
)]

pub mod log;
pub mod native;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{SinkExt as _, StreamExt as _};
use samara_core::identity::{Greeting, Role};
use samara_core::message::{Features, Handshake, MAX_MESSAGE_LEN, Nonce, PROTOCOL_VERSION, Reach};
use samara_core::{MemberId, Message, PeerSecret, Topic};
use samara_relay::{Config, Limits, Server};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Message as Frame};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async};

/// Longer than anything here takes; a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(20);

pub const TOPIC: Topic = Topic::from_bytes([0xa7; 20]);

/// A relay and the folder of its store, which goes when it is dropped.
pub struct Relay {
    pub server: Server,
    pub dir: TempDir,
}

impl Relay {
    pub async fn start() -> Self {
        Self::with(|_| {}).await
    }

    pub async fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        Self::with(|config| change(&mut config.limits)).await
    }

    pub async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(&dir);
        change(&mut config);
        let server = Server::start(config).await.unwrap();
        Self { server, dir }
    }

    pub fn addr(&self) -> SocketAddr {
        self.server.addr()
    }

    pub async fn peer(&self) -> Peer {
        let mut peer = Peer::dial(self.addr()).await;
        peer.greet().await;
        peer
    }

    /// What Prometheus would read of one figure.
    pub async fn metric(&self, name: &str) -> u64 {
        let text = get(self.addr(), "/metrics").await.body;
        let name = format!("{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&name));
        let value = line.unwrap_or_else(|| panic!("no {name} in {text}"));
        value.trim().parse().unwrap()
    }
}

pub fn config(dir: &TempDir) -> Config {
    let mut config = Config::new(dir.path().join("store"));
    config.listen.set_port(0);
    config
}

/// An HTTP answer.
pub struct Answer {
    pub head: String,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| {
            let (found, value) = line.split_once(": ")?;
            found.eq_ignore_ascii_case(name).then_some(value)
        })
    }

    pub fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }
}

pub async fn get(addr: SocketAddr, path: &str) -> Answer {
    get_with(addr, path, "").await
}

/// `headers` are whole lines.
pub async fn get_with(addr: SocketAddr, path: &str, headers: &str) -> Answer {
    let mut tcp = TcpStream::connect(addr).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nhost: {addr}\r\nconnection: close\r\n{headers}\r\n");
    tcp.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    tcp.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    Answer {
        head: head.to_owned(),
        body: body.to_owned(),
    }
}

/// A peer nobody has met.
pub fn stranger() -> PeerSecret {
    PeerSecret::from_bytes(&random())
}

/// What a peer says first.
pub fn handshake(secret: &PeerSecret) -> Handshake {
    Handshake {
        version: PROTOCOL_VERSION,
        features: Features::PARTS.with(Features::CANCEL),
        peer: secret.peer(),
        max_message: u32::try_from(MAX_MESSAGE_LEN).unwrap(),
        nonce: Nonce::from_bytes(random()),
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// What a proxy on this machine asks for a host.
pub fn through_proxy(addr: SocketAddr, path: &str, host: &str) -> ClientRequestBuilder {
    let url = format!("ws://{addr}{path}").parse().unwrap();
    ClientRequestBuilder::new(url).with_header("X-Forwarded-For", host)
}

/// The other end of a relay's WebSocket.
pub struct Peer {
    pub socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
}

impl Peer {
    /// Connects and says nothing.
    pub async fn dial(addr: SocketAddr) -> Self {
        Self::dial_at(addr, "/ws").await
    }

    /// The same at another path.
    pub async fn dial_at(addr: SocketAddr, path: &str) -> Self {
        let (socket, _) = connect_async(format!("ws://{addr}{path}")).await.unwrap();
        Self { socket }
    }

    /// Says HANDSHAKE, hears the answer and says PROOF.
    pub async fn greet(&mut self) -> Handshake {
        self.greet_with(Features::default()).await
    }

    /// The same with more features than any test's peer has.
    pub async fn greet_with(&mut self, more: Features) -> Handshake {
        let secret = stranger();
        let mut ours = handshake(&secret);
        ours.features = ours.features.with(more);
        let theirs = self.say_handshake(ours).await;
        let greeting = Greeting {
            dialer: &ours,
            dialed: &theirs,
            binding: &[0],
        };
        let proof = secret.prove(Role::Dialer, &greeting);
        self.send(&Message::Proof(proof)).await;
        theirs
    }

    /// Says HANDSHAKE and hears the answer.
    pub async fn say_handshake(&mut self, ours: Handshake) -> Handshake {
        self.send(&Message::Handshake(ours)).await;
        match self.recv().await {
            Message::HandshakeAck(theirs, _) => theirs,
            other => panic!("{other:?} instead of an answer to the handshake"),
        }
    }

    pub async fn send(&mut self, message: &Message) {
        self.send_bytes(message.encode()).await;
    }

    pub async fn send_bytes(&mut self, message: Bytes) {
        self.socket.send(Frame::Binary(message)).await.unwrap();
    }

    /// The next message of the protocol.
    pub async fn recv(&mut self) -> Message {
        match self.recv_or_close().await {
            Ok(message) => message,
            Err(close) => panic!("the relay closed: {close:?}"),
        }
    }

    /// The next message, or why there is none.
    pub async fn recv_or_close(&mut self) -> Result<Message, Option<CloseFrame>> {
        loop {
            let next = tokio::time::timeout(PATIENCE, self.socket.next()).await;
            match next.expect("the relay says something") {
                Some(Ok(Frame::Binary(bytes))) => return Ok(Message::decode(&bytes).unwrap()),
                Some(Ok(Frame::Close(close))) => return Err(close),
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(other)) => panic!("{other:?} from the relay"),
                Some(Err(_)) | None => return Err(None),
            }
        }
    }

    /// What the relay says before it closes, and how it closes.
    pub async fn until_closed(&mut self) -> (Vec<Message>, Option<CloseFrame>) {
        let mut said = Vec::new();
        loop {
            match self.recv_or_close().await {
                Ok(message) => said.push(message),
                Err(close) => return (said, close),
            }
        }
    }

    /// Enters [`TOPIC`]'s room; the own id and the others there.
    pub async fn join(&mut self) -> (MemberId, Vec<(MemberId, Reach)>) {
        self.join_at(TOPIC).await
    }

    /// Enters a topic's room.
    pub async fn join_at(&mut self, topic: Topic) -> (MemberId, Vec<(MemberId, Reach)>) {
        let reach = Reach::WEBRTC;
        self.send(&Message::Join { topic, reach }).await;
        match self.recv().await {
            Message::Members {
                topic: of,
                you,
                members,
            } if of == topic => (you, members),
            other => panic!("{other:?} instead of the room's members"),
        }
    }
}

pub fn signal(member: MemberId, sealed: impl Into<Bytes>) -> Message {
    Message::Signal {
        topic: TOPIC,
        member,
        sealed: sealed.into(),
    }
}
