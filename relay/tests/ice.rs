//! What peers are told of servers that help their data channels.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use common::log::Log;
use common::{Peer, Relay};
use rtc_stun::message::{BINDING_REQUEST, Getter as _, Message as Stun, TransactionId};
use rtc_stun::xoraddr::XorMappedAddress;
use samara_core::Message;
use samara_core::message::{Features, IceServer};
use samara_relay::{Config, Ice, IceUrl, OwnStun};
use tokio::net::UdpSocket;
use tokio_tungstenite::connect_async;

fn turn(config: &mut Config, lifetime: Duration) {
    config.ice = Ice {
        stun: vec![IceUrl::stun("stun.example:3478").unwrap()],
        turn: vec![IceUrl::turn("turn.example:3478").unwrap()],
        turn_secret: Some("north".parse().unwrap()),
        turn_lifetime: lifetime,
        ..Ice::default()
    };
}

async fn servers(peer: &mut Peer) -> (u32, Vec<IceServer>) {
    match peer.recv().await {
        Message::IceServers { lifetime, servers } => (lifetime, servers),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_peer_that_understands_is_told_servers_and_credentials_of_its_own() {
    let relay = Relay::with(|config| turn(config, Duration::from_mins(10))).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let mut peer = Peer::dial(relay.addr()).await;
        peer.greet_with(Features::ICE).await;
        let (lifetime, servers) = servers(&mut peer).await;
        assert_eq!(lifetime, 600);
        let [turn, stun] = &servers[..] else {
            panic!("{servers:?}");
        };
        assert_eq!(stun.url, "stun:stun.example:3478");
        assert_eq!((&*stun.username, &*stun.credential), ("", ""));
        assert_eq!(turn.url, "turn:turn.example:3478");
        let (until, _) = turn.username.split_once(':').unwrap();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        let left = until.parse::<u64>().unwrap() - now.as_secs();
        assert!((590..=600).contains(&left), "{left}");
        told.push(servers);
    }
    assert_ne!(told[0][0], told[1][0]);
}

/// Or else no quota of the TURN server is for anybody.
#[tokio::test]
async fn all_of_one_host_have_credentials_of_one_name() {
    let relay = Relay::with(|config| turn(config, Duration::from_mins(10))).await;
    let name = async |host| {
        let request = common::through_proxy(relay.addr(), "/ws", host);
        let (socket, _) = connect_async(request).await.unwrap();
        let mut peer = Peer { socket };
        peer.greet_with(Features::ICE).await;
        let (_, servers) = servers(&mut peer).await;
        servers[0].username.split_once(':').unwrap().1.to_owned()
    };
    let first = name("192.0.2.7").await;
    assert_eq!(first, name("192.0.2.7").await);
    assert_ne!(first, name("192.0.2.8").await);
    assert!(!first.contains("192"));
}

#[tokio::test]
async fn credentials_are_renewed_before_they_end() {
    let relay = Relay::with(|config| turn(config, Duration::from_secs(2))).await;
    let mut peer = Peer::dial(relay.addr()).await;
    peer.greet_with(Features::ICE).await;
    let first = servers(&mut peer).await;
    let told = tokio::time::Instant::now();
    let second = servers(&mut peer).await;
    assert!(told.elapsed() < Duration::from_millis(1900));
    assert_ne!(first, second);
}

/// Peers would leave some out, and the operator would wonder.
#[tokio::test]
async fn whoever_names_more_servers_than_peers_use_is_warned() {
    for (stun, is_warned) in [(7, false), (8, true)] {
        let log = Log::default();
        let subscriber = tracing_subscriber::fmt().with_writer(log.clone());
        let _logged = tracing::subscriber::set_default(subscriber.finish());
        let relay = Relay::with(|config| {
            turn(config, Duration::from_mins(10));
            let named = (0..stun).map(|host| format!("stun{host}.example:3478"));
            config.ice.stun = named.map(|named| IceUrl::stun(&named).unwrap()).collect();
        })
        .await;
        let warning = "peers use 8 STUN and TURN servers of 9, TURN first";
        let log = log.text();
        assert_eq!(log.contains(warning), is_warned, "{log}");
        let mut peer = Peer::dial(relay.addr()).await;
        peer.greet_with(Features::ICE).await;
        let (_, servers) = servers(&mut peer).await;
        assert_eq!(servers.len(), 1 + stun);
        assert!(servers[0].url.starts_with("turn:"));
    }
}

#[tokio::test]
async fn a_peer_that_would_not_understand_is_told_nothing() {
    let relay = Relay::with(|config| turn(config, Duration::from_mins(10))).await;
    let mut peer = relay.peer().await;
    // The first thing it hears is what it asked for.
    peer.join().await;
}

#[tokio::test]
async fn a_relay_for_this_machine_only_names_nothing() {
    let relay = Relay::start().await;
    let mut peer = Peer::dial(relay.addr()).await;
    peer.greet_with(Features::ICE).await;
    peer.join().await;
}

#[tokio::test]
async fn a_relay_tells_whoever_asks_how_it_is_seen() {
    let own = OwnStun::At((Ipv4Addr::LOCALHOST, 0).into());
    let relay = Relay::with(|config| config.ice.own = own).await;
    let mut peer = Peer::dial(relay.addr()).await;
    peer.greet_with(Features::ICE).await;
    let (_, servers) = servers(&mut peer).await;
    let port = servers[0].url.strip_prefix("stun::").unwrap();
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()));

    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let mut request = Stun::new();
    let id = TransactionId([7; 12]);
    request
        .build(&[Box::new(id), Box::new(BINDING_REQUEST)])
        .unwrap();
    socket.send_to(b"no question", at).await.unwrap();
    socket.send_to(&request.raw, at).await.unwrap();
    let mut buf = [0; 1500];
    let len = socket.recv(&mut buf).await.unwrap();
    let mut answer = Stun::new();
    answer.unmarshal_binary(&buf[..len]).unwrap();
    let mut seen = XorMappedAddress::default();
    seen.get_from(&answer).unwrap();
    let seen = SocketAddr::new(seen.ip, seen.port);
    assert_eq!(seen, socket.local_addr().unwrap());
}
