//! Programs that answer and are no honest peers.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::thread;

use bytes::Bytes;
use samara_core::identity::{Greeting, Role};
use samara_core::message::{Features, Handshake, MAX_MESSAGE_LEN, Nonce, PROTOCOL_VERSION};
use samara_core::{BlobId, FileEntry, Message, PeerSecret};
use tokio_tungstenite::tungstenite::{self, WebSocket};

type Socket = WebSocket<std::net::TcpStream>;

/// Accepts WebSockets, each with a thread that treats it so.
fn sockets(treat: impl Fn(&mut Socket) + Send + Sync + Clone + 'static) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let treat = treat.clone();
            thread::spawn(move || {
                if let Ok(mut socket) = tungstenite::accept(stream) {
                    treat(&mut socket);
                }
            });
        }
    });
    url
}

/// Knows nothing of WebSockets, nor where anything is.
pub fn web_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            let _ = stream.read(&mut [0; 4096]);
            let _ = stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n");
        }
    });
    url
}

/// Answers whatever comes with text, or with bytes of no meaning.
pub fn garbage_socket(text: bool) -> String {
    sockets(move |socket| {
        while socket.read().is_ok() {
            let message = if text {
                tungstenite::Message::text("{\"hello\": 1}")
            } else {
                tungstenite::Message::binary(vec![0xee; 40])
            };
            let _ = socket.send(message);
        }
    })
}

/// Says that it holds a file's blobs, and sends others.
pub struct Liar {
    url: String,
}

impl Liar {
    pub fn start(entry: &Path) -> Self {
        let entry = FileEntry::from_json(&std::fs::read_to_string(entry).unwrap()).unwrap();
        let ids: Vec<BlobId> = entry.chunks().iter().map(|chunk| chunk.id).collect();
        let url = sockets(move |socket| lie(socket, &ids));
        Self { url }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// Its peer id, as commands say it.
    pub fn peer() -> String {
        secret().peer().to_string()
    }
}

fn secret() -> PeerSecret {
    PeerSecret::from_bytes(&[0x13; 32])
}

fn answer(theirs: &Handshake) -> Message {
    let secret = secret();
    let ours = Handshake {
        version: PROTOCOL_VERSION,
        features: Features::default(),
        peer: secret.peer(),
        max_message: u32::try_from(MAX_MESSAGE_LEN).unwrap(),
        nonce: Nonce::from_bytes([0x31; 32]),
    };
    let greeting = Greeting {
        dialer: theirs,
        dialed: &ours,
        binding: &[0],
    };
    Message::HandshakeAck(ours, secret.prove(Role::Dialed, &greeting))
}

fn lie(socket: &mut Socket, ids: &[BlobId]) {
    while let Ok(message) = socket.read() {
        let tungstenite::Message::Binary(bytes) = message else {
            continue;
        };
        let answers = match Message::decode(&bytes).unwrap() {
            Message::Handshake(theirs) => vec![answer(&theirs)],
            Message::Proof(_) => vec![Message::Have(
                ids.iter().map(|id| (*id, 1_048_592)).collect(),
            )],
            Message::Request { request, blob } => vec![Message::Response {
                request,
                blob,
                data: Bytes::from(vec![7; 1_048_592]),
            }],
            _ => Vec::new(),
        };
        for answer in answers {
            let _ = socket.send(tungstenite::Message::Binary(answer.encode()));
        }
    }
}
