//! Members of one topic on different relays, which know nothing of each other
//! but a DHT; and relays that lie.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]

mod common;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::time::Duration;

use common::native::{CONTENT, Native, dht_config};
use common::{Peer, Relay, TOPIC, config, signal};
use futures_util::{SinkExt as _, StreamExt as _};
use mainline::Testnet;
use samara_core::identity::Role;
use samara_core::message::{ErrorCode, Reach};
use samara_core::{MemberId, Message, PeerSecret, RequestId, Topic};
use samara_node::{Dht, Path, WebRtcConfig};
use samara_relay::{Config, Server};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::protocol::Message as Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::{accept_async, connect_async};

/// A DHT that names relays for topics. They announce ports they are told, which
/// here are known only once they listen, so the test announces for them.
struct Names {
    testnet: Testnet,
    dht: Dht,
}

impl Names {
    async fn new() -> Self {
        let testnet = tokio::task::spawn_blocking(|| Testnet::builder(10).build().unwrap());
        let testnet = testnet.await.unwrap();
        let dht = Dht::start(dht_config(&testnet.bootstrap)).await.unwrap();
        Self { testnet, dht }
    }

    async fn name(&self, topic: Topic, relay: &Relay) {
        let port = relay.addr().port();
        self.dht.announce(topic, port).await.unwrap();
    }

    /// A relay that looks topics up again each half second.
    async fn relay(&self) -> Relay {
        Relay::with(|config| self.enter(config)).await
    }

    fn enter(&self, config: &mut Config) {
        config.dht = Some(samara_relay::Dht {
            bootstrap: Some(self.testnet.bootstrap.clone()),
            announce_port: None,
            announce_blobs: None,
        });
        config.limits.lookup_again_first = Duration::from_millis(500);
        config.limits.lookup_again_most = Duration::from_millis(500);
        config.limits.relay_again_first = Duration::from_millis(100);
    }
}

/// The next message about members.
async fn hears(peer: &mut Peer) -> Message {
    loop {
        match peer.recv().await {
            Message::Sources { .. } => {}
            message => return message,
        }
    }
}

fn joined(member: MemberId) -> Message {
    Message::Joined {
        topic: TOPIC,
        member,
        reach: Reach::WEBRTC,
    }
}

fn left(member: MemberId) -> Message {
    Message::Left {
        topic: TOPIC,
        member,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_relays_hear_of_each_other_and_talk() {
    let names = Names::new().await;
    let (ours, theirs) = (names.relay().await, names.relay().await);
    names.name(TOPIC, &theirs).await;
    let (mut a, mut b) = (ours.peer().await, theirs.peer().await);
    let (a_id, _) = a.join().await;
    let (b_id, others) = b.join().await;
    assert_eq!(others, []);
    assert_eq!(hears(&mut a).await, joined(b_id));
    assert_eq!(hears(&mut b).await, joined(a_id));

    a.send(&signal(b_id, "to b")).await;
    assert_eq!(hears(&mut b).await, signal(a_id, "to b"));
    b.send(&signal(a_id, "to a")).await;
    assert_eq!(hears(&mut a).await, signal(b_id, "to a"));

    // Who comes later is told of both.
    let mut c = ours.peer().await;
    let (c_id, others) = c.join().await;
    let mut ids: Vec<_> = others.into_iter().map(|(id, _)| id).collect();
    ids.sort();
    let mut both = [a_id, b_id];
    both.sort();
    assert_eq!(ids, both);
    assert_eq!(hears(&mut a).await, joined(c_id));
    assert_eq!(hears(&mut b).await, joined(c_id));

    drop(c);
    assert_eq!(hears(&mut b).await, left(c_id));
    b.send(&Message::Leave { topic: TOPIC }).await;
    assert_eq!(hears(&mut a).await, left(c_id));
    assert_eq!(hears(&mut a).await, left(b_id));
    a.send(&signal(b_id, "too late")).await;
    assert_eq!(hears(&mut a).await, left(b_id));

    // The relay whose last member left still knows who has some.
    let (b_id, others) = b.join().await;
    assert_eq!(others, [(a_id, Reach::WEBRTC)]);
    assert_eq!(hears(&mut a).await, no_member());
    assert_eq!(hears(&mut a).await, joined(b_id));
}

fn no_member() -> Message {
    Message::Error {
        request: RequestId(0),
        code: ErrorCode::NO_MEMBER,
        text: "that member has left".to_owned(),
    }
}

/// Each finds the other; so do all three of three.
#[tokio::test(flavor = "multi_thread")]
async fn relays_that_find_each_other_have_one_link_and_nothing_goes_in_a_circle() {
    let names = Names::new().await;
    let relays = [
        names.relay().await,
        names.relay().await,
        names.relay().await,
    ];
    for relay in &relays {
        names.name(TOPIC, relay).await;
    }
    let mut peers = Vec::new();
    for relay in &relays {
        let mut peer = relay.peer().await;
        let (id, others) = peer.join().await;
        let known: BTreeSet<_> = others.into_iter().map(|(id, _)| id).collect();
        peers.push((peer, id, known));
    }
    let all: BTreeSet<_> = peers.iter().map(|(_, id, _)| *id).collect();
    for (peer, id, known) in &mut peers {
        known.insert(*id);
        while *known != all {
            follow(peer, known).await;
        }
    }
    for relay in &relays {
        while relay.metric("samara_bridges").await != 2 {
            tokio::task::yield_now().await;
        }
    }
    // Whoever comes now is told to each member once.
    let mut late = relays[0].peer().await;
    let (late_id, others) = late.join().await;
    let others: BTreeSet<_> = others.into_iter().map(|(id, _)| id).collect();
    assert_eq!(others, all);
    late.send(&Message::Leave { topic: TOPIC }).await;
    for (peer, ..) in &mut peers {
        let mut told = 0;
        loop {
            match hears(peer).await {
                Message::Joined { member, .. } if member == late_id => told += 1,
                Message::Left { member, .. } if member == late_id => break,
                // Two relays may have dialed each other at once.
                Message::Joined { .. } | Message::Left { .. } => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(told, 1);
    }
}

/// Takes in whom a peer hears of next.
async fn follow(peer: &mut Peer, known: &mut BTreeSet<MemberId>) {
    match hears(peer).await {
        Message::Joined { member, .. } => known.insert(member),
        Message::Left { member, .. } => known.remove(&member),
        other => panic!("{other:?} about members"),
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_comes_back_has_a_bridge_again() {
    let names = Names::new().await;
    let ours = names.relay().await;
    let dir = tempfile::tempdir().unwrap();
    let mut same = config(&dir);
    names.enter(&mut same);
    let server = Server::start(same.clone()).await.unwrap();
    let theirs = server.addr();
    same.listen = theirs;
    names.dht.announce(TOPIC, theirs.port()).await.unwrap();
    let mut a = ours.peer().await;
    a.join().await;
    let mut b = Peer::dial(theirs).await;
    b.greet().await;
    let (b_id, _) = b.join().await;
    assert_eq!(hears(&mut a).await, joined(b_id));

    server.shutdown().await;
    assert_eq!(hears(&mut a).await, left(b_id));
    let _server = Server::start(same).await.unwrap();
    let mut b = Peer::dial(theirs).await;
    b.greet().await;
    let (b_id, _) = b.join().await;
    assert_eq!(hears(&mut a).await, joined(b_id));
}

/// What is there breaks off before and after it is a WebSocket, as it may while a
/// relay starts behind a proxy.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_whose_handshake_broke_is_dialed_again_soon() {
    let names = Names::new().await;
    let ours = names.relay().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let theirs = listener.local_addr().unwrap();
    names.dht.announce(TOPIC, theirs.port()).await.unwrap();
    let mut a = ours.peer().await;
    a.join().await;

    reset(accepts(&listener).await);
    drop(accepts(&listener).await);
    answers(&listener, "502 Bad Gateway").await;
    let socket = accepts(&listener).await;
    let mut socket = accept_async(socket).await.unwrap();
    let said = socket.next().await.unwrap().unwrap().into_data();
    let said = Message::decode(&said).unwrap();
    assert!(matches!(said, Message::Handshake(_)), "{said:?}");
    reset(socket.into_inner());
    drop(listener);

    let dir = tempfile::tempdir().unwrap();
    let mut config = config(&dir);
    config.listen = theirs;
    let _server = Server::start(config).await.unwrap();
    let mut b = Peer::dial(theirs).await;
    b.greet().await;
    let (b_id, _) = b.join().await;
    assert_eq!(hears(&mut a).await, joined(b_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_answers_and_is_no_relay_is_left_alone() {
    let names = Names::new().await;
    let ours = names.relay().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    names.dht.announce(TOPIC, port).await.unwrap();
    let mut a = ours.peer().await;
    a.join().await;
    answers(&listener, "404 Not Found").await;
    let before = ours.metric("samara_dht_lookups_total").await;
    let looked_up = async {
        while ours.metric("samara_dht_lookups_total").await < before + 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        _ = listener.accept() => panic!("it is dialed again"),
        () = looked_up => {}
    }
}

async fn accepts(listener: &TcpListener) -> TcpStream {
    let accepted = timeout(Duration::from_secs(20), listener.accept()).await;
    accepted.expect("it is dialed").unwrap().0
}

/// Resets a connection, as a machine does that knows nothing of it.
fn reset(socket: TcpStream) {
    socket.set_zero_linger().unwrap();
    drop(socket);
}

/// Gives the next request this answer.
async fn answers(listener: &TcpListener, status: &str) {
    let mut socket = accepts(listener).await;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await.unwrap());
    }
    let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
    socket.write_all(answer.as_bytes()).await.unwrap();
}

/// Both relays carry what two members have no direct path for.
#[tokio::test(flavor = "multi_thread")]
async fn a_file_goes_through_both_relays_where_there_is_no_other_way() {
    let (read, paths) = fetched_across(|_| {}).await;
    assert!(read.starts_with(CONTENT) && read.len() == 3_000_000);
    assert_eq!(paths, [Path::Circuit]);
}

#[tokio::test(flavor = "multi_thread")]
async fn members_of_two_relays_get_a_data_channel() {
    let (read, paths) = fetched_across(|config| {
        config.webrtc = Some(WebRtcConfig::default());
    })
    .await;
    assert!(read.starts_with(CONTENT) && read.len() == 3_000_000);
    assert!(paths.contains(&Path::WebRtc), "{paths:?}");
}

async fn fetched_across(change: fn(&mut samara_node::NodeConfig)) -> (Vec<u8>, Vec<Path>) {
    let names = Names::new().await;
    let (ours, theirs) = (names.relay().await, names.relay().await);
    let at = async |relay: &Relay| {
        let url = format!("http://{}", relay.addr()).parse().unwrap();
        Native::start(|config| {
            config.keep = vec![url];
            change(config);
        })
        .await
    };
    let (seeder, reader) = (at(&theirs).await, at(&ours).await);
    let (ingested, _seeding) = seeder.seed(3_000_000);
    names.name(ingested.link.topic(), &theirs).await;
    reader.fetch_by(&ingested).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_bridges_answers_nobody() {
    let names = Names::new().await;
    let alone = Relay::with(|config| {
        names.enter(config);
        config.bridges = false;
    })
    .await;
    let answer = common::get(alone.addr(), "/bridge").await;
    assert_eq!(answer.status(), "404");
}

/// Another relay, made of the core's codec alone.
struct Liar(Peer);

impl Liar {
    async fn dial(addr: SocketAddr) -> Self {
        Self(Peer::dial_at(addr, "/bridge").await)
    }

    async fn opened(relay: &Relay) -> Self {
        let mut liar = Self::dial(relay.addr()).await;
        let secret = common::stranger();
        liar.greet(&secret, &[3]).await;
        liar
    }

    async fn greet(&mut self, secret: &PeerSecret, binding: &[u8]) {
        let ours = common::handshake(secret);
        let theirs = self.0.say_handshake(ours).await;
        let greeting = samara_core::identity::Greeting {
            dialer: &ours,
            dialed: &theirs,
            binding,
        };
        let proof = secret.prove(Role::Dialer, &greeting);
        self.0.send(&Message::Proof(proof)).await;
    }

    async fn says_members(&mut self, members: &[u64]) {
        self.says_members_of(TOPIC, members).await;
    }

    async fn says_members_of(&mut self, topic: Topic, members: &[u64]) {
        let members = members.iter().map(|id| (MemberId(*id), Reach::WEBRTC));
        let members = Message::Members {
            topic,
            you: MemberId(0),
            members: members.collect(),
        };
        self.0.send(&members).await;
    }

    async fn forwards(&mut self, from: u64, to: MemberId, sealed: &'static [u8]) {
        let forward = Message::Forward {
            topic: TOPIC,
            from: MemberId(from),
            to,
            sealed: sealed.into(),
        };
        self.0.send(&forward).await;
    }

    async fn says_taken(&mut self, from: MemberId, bytes: u32) {
        let topic = TOPIC;
        self.0.send(&Message::Taken { topic, from, bytes }).await;
    }

    /// Why it is cut.
    async fn cut_with(&mut self) -> ErrorCode {
        let closed = timeout(Duration::from_secs(20), self.0.until_closed()).await;
        let (said, _) = closed.expect("it is cut");
        match said.last() {
            Some(Message::Error { code, .. }) => *code,
            other => panic!("{other:?} before the close"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_must_prove_who_it_is_for_a_link() {
    let relay = Relay::start().await;
    let mut liar = Liar::dial(relay.addr()).await;
    // A proof that some peer made for this relay's `/ws`.
    liar.greet(&common::stranger(), &[0]).await;
    assert_eq!(liar.cut_with().await, ErrorCode::NOT_PROVEN);
    assert_eq!(relay.metric("samara_bridges_total").await, 0);
    assert_eq!(relay.metric("samara_bridges_cut_total").await, 1);
}

/// Made-up members take no places of real ones, here or on other relays, and no
/// signal is passed on in the name of a member here.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_speaks_for_its_own_members_only() {
    let relay = Relay::with_limits(|limits| limits.members_per_bridged_room = 3).await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    let (a_id, _) = a.join().await;
    let (b_id, _) = b.join().await;
    assert_eq!(hears(&mut a).await, joined(b_id));
    let mut liar = Liar::opened(&relay).await;
    liar.says_members(&[b_id.0, 1, 2]).await;
    for id in [1, 2] {
        assert_eq!(hears(&mut a).await, joined(MemberId(id)));
        assert_eq!(hears(&mut b).await, joined(MemberId(id)));
    }
    // It is told of those here once it has some itself.
    let told = liar.0.recv().await;
    let here = vec![(b_id, Reach::WEBRTC), (a_id, Reach::WEBRTC)];
    let members = Message::Members {
        topic: TOPIC,
        you: MemberId(0),
        members: here,
    };
    assert_eq!(told, members);

    liar.forwards(b_id.0, a_id, b"in the name of b").await;
    liar.forwards(99, a_id, b"of nobody").await;
    liar.forwards(1, a_id, b"of its own").await;
    assert_eq!(hears(&mut a).await, signal(MemberId(1), "of its own"));

    // There are so many of one relay's, and none of them keeps out another's,
    // whoever was first to tell of a number.
    let mut other = Liar::opened(&relay).await;
    other.says_members(&[1, 5, 6, 7]).await;
    for id in [5, 6] {
        assert_eq!(hears(&mut a).await, joined(MemberId(id)));
    }
    assert!(matches!(other.0.recv().await, Message::Members { .. }));
    a.send(&signal(MemberId(1), "to whichever it is")).await;
    for relay in [&mut liar, &mut other] {
        let forwarded = relay.0.recv().await;
        assert!(matches!(
            forwarded,
            Message::Forward {
                to: MemberId(1),
                ..
            } | Message::Taken { .. }
        ));
    }
    drop(liar);
    assert_eq!(hears(&mut a).await, left(MemberId(2)));
    drop(other);
    let mut gone = Vec::new();
    while gone.len() < 3 {
        gone.push(hears(&mut a).await);
    }
    assert_eq!(gone, [1, 5, 6].map(|id| left(MemberId(id))));
}

/// What it says is read as slowly as it may be said, and nobody else waits.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_floods_is_read_slowly() {
    let relay = Relay::with_limits(|limits| {
        limits.told_per_second = 1.try_into().unwrap();
        limits.told_at_once = 8.try_into().unwrap();
    })
    .await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    let (a_id, _) = a.join().await;
    let (b_id, _) = b.join().await;
    assert_eq!(hears(&mut a).await, joined(b_id));
    let mut liar = Liar::opened(&relay).await;
    for _ in 0..1000 {
        liar.says_members(&[1, 2, 3, 4]).await;
        liar.0.send(&Message::Leave { topic: TOPIC }).await;
    }
    b.send(&signal(a_id, "meanwhile")).await;
    let mut told = 0;
    while hears(&mut a).await != signal(b_id, "meanwhile") {
        told += 1;
    }
    assert!(told <= 16, "told of {told} changes");
}

/// They share what all may tell, and none gets all of it.
#[tokio::test(flavor = "multi_thread")]
async fn relays_that_flood_do_not_keep_an_honest_one_waiting() {
    let relay = Relay::with_limits(|limits| {
        limits.told_per_second_by_all = 200.try_into().unwrap();
        limits.told_at_once = 64.try_into().unwrap();
    })
    .await;
    let mut a = relay.peer().await;
    let (a_id, _) = a.join().await;
    let mut honest = Liar::opened(&relay).await;
    let mut floods = tokio::task::JoinSet::new();
    for member in 1..=6 {
        let mut liar = Liar::opened(&relay).await;
        liar.says_members(&[100 + member]).await;
        floods.spawn(async move {
            loop {
                liar.0.send(&joined(MemberId(member))).await;
                liar.0.send(&left(MemberId(member))).await;
            }
        });
    }
    // They have used up what may come at once.
    for _ in 0..200 {
        hears(&mut a).await;
    }
    let begun = Instant::now();
    let members: Vec<_> = (200..264).collect();
    honest.says_members(&members).await;
    honest.forwards(200, a_id, b"in time").await;
    while hears(&mut a).await != signal(MemberId(200), "in time") {
        // 64 of 200 a second, which seven share.
        assert!(begun.elapsed() < Duration::from_secs(6));
    }
    assert_eq!(relay.metric("samara_bridges").await, 7);
}

/// Sixteen relays claim a number that another's member has.
#[tokio::test(flavor = "multi_thread")]
async fn relays_that_lie_about_a_member_do_not_keep_it_from_being_reached() {
    let relay = Relay::with_limits(|limits| {
        limits.forward_window = 8192;
        limits.forward_wait = Duration::from_secs(1);
        limits.ping_after = Duration::from_millis(500);
        limits.cut_after = Duration::from_secs(3);
    })
    .await;
    let (mut a, mut b) = (relay.peer().await, relay.peer().await);
    let (a_id, _) = a.join().await;
    let (b_id, _) = b.join().await;
    let mut honest = Liar::opened(&relay).await;
    honest.says_members(&[1]).await;
    assert!(matches!(honest.0.recv().await, Message::Members { .. }));
    let mut liars = Vec::new();
    for _ in 0..16 {
        let mut liar = Liar::opened(&relay).await;
        liar.says_members(&[1]).await;
        assert!(matches!(liar.0.recv().await, Message::Members { .. }));
        liars.push(liar);
    }
    while hears(&mut a).await != joined(MemberId(1)) {}
    while hears(&mut b).await != joined(MemberId(1)) {}

    let begun = Instant::now();
    for _ in 0..10 {
        a.send(&signal(MemberId(1), vec![0; 4096])).await;
        let forwarded = honest.0.recv().await;
        assert!(matches!(forwarded, Message::Forward { from, .. } if from == a_id));
        honest.says_taken(a_id, 4096).await;
    }
    a.send(&signal(b_id, "still there")).await;
    assert_eq!(hears(&mut b).await, signal(a_id, "still there"));
    // The liars are waited for once, and all at once.
    assert!(begun.elapsed() < Duration::from_secs(3));
    assert_eq!(relay.metric("samara_connections_cut_total").await, 0);
    // All hear of this, and before it what went to them.
    a.send(&Message::Leave { topic: TOPIC }).await;
    let mut reached = 0;
    for liar in &mut liars {
        let first = liar.0.recv().await;
        reached += usize::from(matches!(first, Message::Forward { .. }));
    }
    assert_eq!(reached, 3);
}

/// Members that many relays make up cost no more than those of a few.
#[tokio::test(flavor = "multi_thread")]
async fn all_relays_together_tell_of_so_many_members_in_a_second() {
    let relay = Relay::with_limits(|limits| {
        limits.told_per_second_by_all = 10.try_into().unwrap();
        limits.told_at_once = 8.try_into().unwrap();
    })
    .await;
    let mut a = relay.peer().await;
    a.join().await;
    let mut liars = Vec::new();
    for _ in 0..4 {
        liars.push(Liar::opened(&relay).await);
    }
    let begun = Instant::now();
    for (liar, first) in liars.iter_mut().zip([10, 20, 30, 40]) {
        let members: Vec<_> = (first..first + 8).collect();
        liar.says_members(&members).await;
    }
    for _ in 0..32 {
        assert!(matches!(hears(&mut a).await, Message::Joined { .. }));
    }
    // Eight at once, and 24 at ten a second.
    assert!(begun.elapsed() >= Duration::from_millis(2300));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_sends_so_many_messages_in_a_second() {
    let relay = Relay::with_limits(|limits| {
        limits.bridge_messages_per_second = 20.try_into().unwrap();
    })
    .await;
    let mut a = relay.peer().await;
    let (a_id, _) = a.join().await;
    let mut liar = Liar::opened(&relay).await;
    let begun = Instant::now();
    liar.says_members(&[1]).await;
    for _ in 0..79 {
        liar.forwards(1, a_id, b"one of many").await;
    }
    assert_eq!(hears(&mut a).await, joined(MemberId(1)));
    for _ in 0..79 {
        assert_eq!(hears(&mut a).await, signal(MemberId(1), "one of many"));
    }
    // Forty at once, and forty at twenty a second. It is not cut for it.
    assert!(begun.elapsed() >= Duration::from_millis(1900));
    assert_eq!(relay.metric("samara_bridges").await, 1);
}

fn told_fast(limits: &mut samara_relay::Limits) {
    limits.told_per_second = 100.try_into().unwrap();
    limits.told_at_once = 16.try_into().unwrap();
    limits.bridge_flood = Duration::from_secs(1);
    limits.joins_per_minute = 100_000.try_into().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_floods_for_long_is_cut_and_left_alone() {
    let relay = Relay::with_limits(told_fast).await;
    let mut a = relay.peer().await;
    a.join().await;
    let secret = common::stranger();
    let mut liar = Liar::dial(relay.addr()).await;
    liar.greet(&secret, &[3]).await;
    liar.says_members(&[1]).await;
    let begun = Instant::now();
    for _ in 0..500 {
        liar.0.send(&joined(MemberId(2))).await;
        liar.0.send(&left(MemberId(2))).await;
    }
    assert_eq!(liar.cut_with().await, ErrorCode::TOO_MANY);
    assert!(begun.elapsed() >= Duration::from_millis(900));
    assert_eq!(relay.metric("samara_bridges_cut_total").await, 1);

    let mut again = Liar::dial(relay.addr()).await;
    again.greet(&secret, &[3]).await;
    let (_, close) = again.0.until_closed().await;
    assert_eq!(close.unwrap().code, CloseCode::Again);
    Liar::opened(&relay).await.says_members(&[3]).await;
    while hears(&mut a).await != joined(MemberId(3)) {}
}

/// Its members come and go twice as fast as others may hear of it, and it does
/// not pass that on.
#[tokio::test(flavor = "multi_thread")]
async fn a_busy_relay_is_not_cut() {
    let names = Names::new().await;
    let ours = Relay::with(|config| {
        names.enter(config);
        told_fast(&mut config.limits);
    })
    .await;
    let theirs = Relay::with_limits(told_fast).await;
    names.name(TOPIC, &theirs).await;
    let (mut a, mut b) = (ours.peer().await, theirs.peer().await);
    a.join().await;
    let (b_id, _) = b.join().await;
    assert_eq!(hears(&mut a).await, joined(b_id));
    let mut c = theirs.peer().await;
    let begun = Instant::now();
    let (topic, reach) = (TOPIC, Reach::WEBRTC);
    let join = Message::Join { topic, reach }.encode();
    for message in [&join, &Message::Leave { topic }.encode()].repeat(150) {
        let message = Frame::Binary(message.clone());
        c.socket.feed(message).await.unwrap();
    }
    c.send_bytes(join).await;
    let mut c_id = None;
    for _ in 0..151 {
        match c.recv().await {
            Message::Members { you, .. } => c_id = Some(you),
            other => panic!("{other:?}"),
        }
    }
    let c_id = c_id.unwrap();
    while hears(&mut a).await != joined(c_id) {}
    // 301 at 50 a second, but for 8 at once.
    assert!(begun.elapsed() >= Duration::from_millis(5500));
    assert_eq!(ours.metric("samara_bridges_cut_total").await, 0);
    assert_eq!(ours.metric("samara_bridges_total").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_lies_again_and_again_is_cut() {
    let relay = Relay::with_limits(|limits| limits.bridge_lies = 3).await;
    let mut a = relay.peer().await;
    let (a_id, _) = a.join().await;
    let mut liar = Liar::opened(&relay).await;
    // The number of somebody here, and the same member twice.
    liar.says_members(&[a_id.0, 1]).await;
    liar.0.send(&joined(a_id)).await;
    liar.0.send(&joined(MemberId(1))).await;
    liar.0.send(&joined(MemberId(2))).await;
    assert_eq!(hears(&mut a).await, joined(MemberId(1)));
    assert_eq!(hears(&mut a).await, joined(MemberId(2)));
    a.send(&signal(MemberId(1), "hello")).await;
    while !matches!(liar.0.recv().await, Message::Forward { .. }) {}
    // More than was on its way.
    liar.says_taken(a_id, 4096).await;
    assert_eq!(liar.cut_with().await, ErrorCode::UNEXPECTED);
}

/// All that come through a proxy come from one address.
#[tokio::test(flavor = "multi_thread")]
async fn one_host_has_so_many_bridges_through_a_proxy_too() {
    let relay = Relay::start().await;
    let dial = |host| connect_async(common::through_proxy(relay.addr(), "/bridge", host));
    let mut there = Vec::new();
    for _ in 0..8 {
        there.push(dial("192.0.2.7").await.unwrap());
    }
    assert!(matches!(
        dial("192.0.2.7").await,
        Err(Error::Http(answer)) if answer.status() == 503
    ));
    assert!(dial("192.0.2.8").await.is_ok());
}

/// Rooms that nobody here is in cost memory.
#[tokio::test(flavor = "multi_thread")]
async fn relays_name_so_many_rooms_that_nobody_here_is_in() {
    let relay = Relay::with_limits(|limits| limits.bridged_rooms = 2).await;
    let mut a = relay.peer().await;
    a.join().await;
    let mut liar = Liar::opened(&relay).await;
    let topics = [1, 2, 3].map(|topic| Topic::from_bytes([topic; 20]));
    for topic in topics {
        liar.says_members_of(topic, &[7]).await;
    }
    // This one has somebody here.
    liar.says_members(&[8]).await;
    assert_eq!(hears(&mut a).await, joined(MemberId(8)));
    let known = vec![(MemberId(7), Reach::WEBRTC)];
    assert_eq!(a.join_at(topics[1]).await.1, known);
    assert_eq!(a.join_at(topics[2]).await.1, []);

    // There is a place again once one has somebody here.
    let more = Topic::from_bytes([4; 20]);
    liar.says_members_of(more, &[7]).await;
    liar.says_members(&[8, 9]).await;
    assert_eq!(hears(&mut a).await, joined(MemberId(9)));
    assert_eq!(a.join_at(more).await.1, known);
}

/// It dials again until another has left.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_without_a_place_lets_another_in_later() {
    let names = Names::new().await;
    let ours = names.relay().await;
    let theirs = Relay::with_limits(|limits| limits.bridges = 2).await;
    names.name(TOPIC, &theirs).await;
    // Half of them are for those that it dials itself.
    let first = Liar::opened(&theirs).await;
    let url = format!("ws://{}/bridge", theirs.addr());
    match connect_async(url).await {
        Err(Error::Http(answer)) => assert_eq!(answer.status(), 503),
        other => panic!("{other:?}"),
    }
    let (mut a, mut b) = (ours.peer().await, theirs.peer().await);
    a.join().await;
    let (b_id, _) = b.join().await;
    while ours.metric("samara_dht_lookups_total").await < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(ours.metric("samara_bridges_total").await, 0);
    drop(first);
    assert_eq!(hears(&mut a).await, joined(b_id));
}

/// Its machine may have lost the network, which closes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_answers_no_ping_is_gone() {
    let relay = Relay::with_limits(|limits| {
        limits.bridge_ping_after = Duration::from_millis(300);
        limits.bridge_cut_after = Duration::from_secs(1);
    })
    .await;
    let mut a = relay.peer().await;
    let (a_id, _) = a.join().await;
    let (mut mute, mut idle) = (Liar::opened(&relay).await, Liar::opened(&relay).await);
    mute.says_members(&[1]).await;
    assert_eq!(hears(&mut a).await, joined(MemberId(1)));
    idle.says_members(&[2]).await;
    assert_eq!(hears(&mut a).await, joined(MemberId(2)));
    assert!(matches!(idle.0.recv().await, Message::Members { .. }));
    // Reading answers pings, and nothing else is said.
    tokio::select! {
        said = idle.0.recv() => panic!("{said:?}"),
        heard = hears(&mut a) => assert_eq!(heard, left(MemberId(1))),
    }
    a.send(&signal(MemberId(2), "are you there?")).await;
    let forwarded = idle.0.recv().await;
    assert!(matches!(forwarded, Message::Forward { from, .. } if from == a_id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_is_cut_for_what_is_never_right() {
    let relay = Relay::with_limits(|limits| {
        limits.members_told = 2;
        limits.signal = 4096;
        limits.forward_window = 8192;
    })
    .await;
    let mut a = relay.peer().await;
    let (a_id, _) = a.join().await;

    let mut liar = Liar::opened(&relay).await;
    liar.says_members(&[1, 2, 3]).await;
    assert_eq!(liar.cut_with().await, ErrorCode::TOO_MANY);

    let mut liar = Liar::opened(&relay).await;
    liar.forwards(1, a_id, &[0; 5000]).await;
    assert_eq!(liar.cut_with().await, ErrorCode::TOO_MANY);

    let mut liar = Liar::opened(&relay).await;
    liar.0.send(&signal(a_id, "what members send")).await;
    assert_eq!(liar.cut_with().await, ErrorCode::UNEXPECTED);

    let mut liar = Liar::opened(&relay).await;
    liar.0.send_bytes(vec![200, 1, 2].into()).await;
    assert_eq!(liar.cut_with().await, ErrorCode::MALFORMED);
}

/// A member that takes nothing holds up what is for it, and nothing else that
/// comes over the same bridge.
#[tokio::test(flavor = "multi_thread")]
async fn a_relay_may_have_so_much_under_way_for_a_member_and_no_more() {
    const WINDOW: &[u8] = &[0; 128 << 10];
    let relay = Relay::with_limits(|limits| {
        limits.forward_window = u32::try_from(WINDOW.len()).unwrap();
    })
    .await;
    let (mut stuck, mut a) = (relay.peer().await, relay.peer().await);
    let (stuck_id, _) = stuck.join().await;
    let (a_id, _) = a.join().await;
    let mut liar = Liar::opened(&relay).await;
    liar.says_members(&[1, 2]).await;
    while hears(&mut a).await != joined(MemberId(2)) {}
    assert!(matches!(liar.0.recv().await, Message::Members { .. }));

    let mut forwarded = 0;
    loop {
        liar.forwards(1, stuck_id, WINDOW).await;
        forwarded += 1;
        assert!(forwarded < 1000, "nobody takes so much");
        match timeout(Duration::from_secs(3), liar.0.recv()).await {
            Ok(Message::Taken { from, bytes, .. }) => {
                assert_eq!((from, bytes as usize), (MemberId(1), WINDOW.len()));
            }
            Ok(other) => panic!("{other:?} in answer to a signal"),
            // The sockets are full.
            Err(_) => break,
        }
    }
    liar.forwards(2, a_id, b"past it").await;
    assert_eq!(hears(&mut a).await, signal(MemberId(2), "past it"));
    liar.forwards(1, stuck_id, b"beyond").await;
    assert_eq!(liar.cut_with().await, ErrorCode::TOO_MANY);
}
