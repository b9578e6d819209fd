//! A wire that carries so much and then no more.

use std::io::{Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

/// Stands between a fetch and a seed.
pub struct Proxy {
    address: SocketAddr,
}

impl Proxy {
    /// Passes everything to the seed, and `limit` bytes of each connection
    /// back. Then it is silent and keeps the connection open.
    pub fn that_stalls_after(limit: usize, seed: &str) -> Self {
        let seed = seed.trim_start_matches("ws://").to_owned();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for near in listener.incoming().map_while(Result::ok) {
                let far = TcpStream::connect(&seed).unwrap();
                let (up, down) = (near.try_clone().unwrap(), far.try_clone().unwrap());
                thread::spawn(move || pass(up, far, usize::MAX));
                thread::spawn(move || pass(down, near, limit));
            }
        });
        Self { address }
    }

    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }
}

/// Copies up to `limit` bytes, then holds both ends until one is gone.
fn pass(mut from: impl Read, mut to: TcpStream, mut limit: usize) {
    let mut buffer = vec![0; 64 << 10];
    while limit > 0 {
        let room = limit.min(buffer.len());
        match from.read(&mut buffer[..room]) {
            Ok(read @ 1..) if to.write_all(&buffer[..read]).is_ok() => limit -= read,
            Ok(_) | Err(_) => return,
        }
    }
    let _ = to.read(&mut buffer);
}
