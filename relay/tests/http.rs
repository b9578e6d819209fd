//! What a browser and an operator read over HTTP.

mod common;

use std::net::{IpAddr, UdpSocket};
use std::time::Duration;

use common::{Relay, config, get, get_with};
use samara_relay::{Server, StartError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error;

#[tokio::test]
async fn the_page_comes_with_headers_that_fence_it_in() {
    let relay = Relay::start().await;
    let page = get(relay.addr(), "/").await;
    assert_eq!(page.status(), "200");
    assert_eq!(
        page.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert!(page.body.contains("samara"));
    let policy = page.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("'wasm-unsafe-eval'"));
    assert!(!policy.contains("unsafe-inline"));
    assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
    assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(page.header("cache-control"), Some("no-cache"));
}

#[tokio::test]
async fn an_unchanged_page_is_not_sent_again() {
    let relay = Relay::start().await;
    let page = get(relay.addr(), "/").await;
    let tag = page.header("etag").unwrap();
    let again = get_with(relay.addr(), "/", &format!("if-none-match: {tag}\r\n")).await;
    assert_eq!(again.status(), "304");
    assert_eq!(again.body, "");
}

#[tokio::test]
async fn what_is_not_there_is_not_found() {
    let relay = Relay::start().await;
    for path in [
        "/nothing",
        "/../Cargo.toml",
        "/assets/",
        "/%2e%2e/Cargo.toml",
    ] {
        assert_eq!(get(relay.addr(), path).await.status(), "404", "{path}");
    }
    assert_eq!(get(relay.addr(), "/ws").await.status(), "400");
}

#[tokio::test]
async fn health_says_how_the_relay_is() {
    let relay = Relay::start().await;
    let mut peer = relay.peer().await;
    peer.join().await;
    let answer = get(relay.addr(), "/health").await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let health: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(health["status"], "ok");
    assert_eq!(health["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(health["connections"], 1);
    assert_eq!(health["rooms"], 1);
    assert_eq!(health["blobs"], 0);
    assert_eq!(health["storeBytes"], 0);
    assert!(health["uptimeSeconds"].is_u64());
}

#[tokio::test]
async fn metrics_are_there_from_the_start() {
    let relay = Relay::start().await;
    for name in [
        "samara_signal_messages_total",
        "samara_signal_bytes_total",
        "samara_blob_bytes_sent_total",
        "samara_blob_bytes_received_total",
        "samara_connections",
        "samara_rooms",
        "samara_store_bytes",
        "samara_store_blobs",
    ] {
        assert_eq!(relay.metric(name).await, 0, "{name}");
    }
}

/// An address of this machine that is not loopback's. Connecting a UDP socket
/// sends nothing.
fn own_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("192.0.2.1:9").ok()?;
    let ip = socket.local_addr().ok()?.ip();
    (!ip.is_loopback()).then_some(ip)
}

#[tokio::test]
async fn one_host_cannot_take_the_places_of_others() {
    let Some(host) = own_address() else {
        eprintln!("left out: this machine has no address but loopback's");
        return;
    };
    let relay = Relay::with(|config| {
        config.listen = "0.0.0.0:0".parse().unwrap();
        config.limits.connections_per_host = 2;
    })
    .await;
    let port = relay.addr().port();
    let url = format!("ws://{host}:{port}/ws");
    let first = tokio_tungstenite::connect_async(&url).await.unwrap();
    let _second = tokio_tungstenite::connect_async(&url).await.unwrap();
    match tokio_tungstenite::connect_async(&url).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 429),
        other => panic!("{other:?} instead of a refusal"),
    }
    // A proxy on the relay's machine stands for all the world.
    let proxied = format!("ws://127.0.0.1:{port}/ws");
    let mut others = Vec::new();
    for _ in 0..4 {
        others.push(tokio_tungstenite::connect_async(&proxied).await.unwrap());
    }
    drop(first);
    while tokio_tungstenite::connect_async(&url).await.is_err() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn more_connections_than_allowed_are_turned_away() {
    let relay = Relay::with_limits(|limits| limits.connections = 1).await;
    let _first = relay.peer().await;
    let url = format!("ws://{}/ws", relay.addr());
    match tokio_tungstenite::connect_async(url).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 503),
        other => panic!("{other:?} instead of a refusal"),
    }
}

#[tokio::test]
async fn who_connects_and_asks_nothing_is_hung_up_on() {
    let soon = Duration::from_millis(50);
    let relay = Relay::with_limits(|limits| limits.http_request = soon).await;
    for said in ["", "GET / HTTP/1.1\r\nhost: a"] {
        let mut tcp = TcpStream::connect(relay.addr()).await.unwrap();
        tcp.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tcp.read_to_end(&mut answer);
        let read = tokio::time::timeout(Duration::from_secs(20), read).await;
        assert!(read.is_ok(), "after {said:?}");
    }
}

#[tokio::test]
async fn a_connection_without_a_request_does_not_hold_up_the_end() {
    let relay = Relay::with_limits(|limits| limits.stop = Duration::from_mins(1)).await;
    let mut idle = TcpStream::connect(relay.addr()).await.unwrap();
    let request = format!("GET /health HTTP/1.1\r\nhost: {}\r\n\r\n", relay.addr());
    idle.write_all(request.as_bytes()).await.unwrap();
    let mut first = [0];
    idle.read_exact(&mut first).await.unwrap();
    let stop = tokio::time::timeout(Duration::from_secs(8), relay.server.shutdown());
    stop.await.unwrap();
}

#[tokio::test]
async fn a_port_in_use_is_said_in_one_sentence() {
    let first = Relay::start().await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir);
    config.listen = first.addr();
    let error = Server::start(config).await.err().unwrap();
    assert!(matches!(error, StartError::Bind(_)));
    let addr = first.addr();
    let text =
        format!("{addr} cannot be listened on; choose another port, or port 0 for any free one");
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_store_in_use_is_said_in_one_sentence() {
    let first = Relay::start().await;
    let error = Server::start(config(&first.dir)).await.err().unwrap();
    let text = error.to_string();
    assert!(matches!(error, StartError::Store(_)), "{text}");
    assert!(text.contains("store") && !text.contains('\n'), "{text}");
}

#[tokio::test]
async fn a_store_that_is_no_folder_is_said_in_one_sentence() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("store"), b"a file").unwrap();
    let error = Server::start(config(&dir)).await.err().unwrap();
    assert!(matches!(error, StartError::Store(_)), "{error}");
}

#[tokio::test]
async fn a_stopped_relays_store_can_be_opened_again() {
    let Relay { server, dir } = Relay::start().await;
    server.shutdown().await;
    Server::start(config(&dir)).await.unwrap().shutdown().await;
}
