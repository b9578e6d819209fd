//! Circuits, why there are some, and data channels that take over from them.

#![allow(clippy::unwrap_used, reason = "a test ends where something fails")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use core::num::NonZeroU64;

use net::file::file;
use net::{Host, Net};
use samara_core::Message;
use samara_core::message::{Features, IceServer};
use samara_swarm::{ConnectionId, Detour, Input, Pair, Path, Rate, Source, TransferId};

const TRANSFER: TransferId = TransferId(1);
const RELAY: &str = "ws://relay/ws";

fn two_browsers() -> (Net, Host, Host, Host) {
    let mut net = Net::default();
    // It fetches nothing for others, however long they wait.
    let relay = net.add(|config| {
        config.features = Features::ROOMS;
        config.generosity.sympathy = 0;
    });
    net.listen(relay, RELAY);
    let (a, b) = (net.browser(), net.browser());
    for host in [a, b] {
        net.keep(host, RELAY);
    }
    net.run(1000);
    (net, relay, a, b)
}

fn sources(net: &mut Net, host: Host) -> Vec<Source> {
    net.peer(host).swarm.progress(TRANSFER).unwrap().sources
}

/// Paths on which a host is connected with others than relays.
fn met(net: &mut Net, host: Host) -> Vec<(Path, Option<Detour>)> {
    let peers = net.peer(host).swarm.peers();
    let met = peers.iter().filter(|peer| peer.path != Path::WebSocket);
    met.map(|peer| (peer.path, peer.detour)).collect()
}

#[test]
fn a_source_behind_a_circuit_says_why() {
    for (off_a, off_b, why) in [
        (true, false, Detour::OffThere),
        (false, true, Detour::OffHere),
    ] {
        let mut net = Net::default();
        net.relay();
        let [a, b] = [off_a, off_b].map(|off| net.add(|config| config.webrtc = !off));
        for host in [a, b] {
            net.keep(host, RELAY);
        }
        net.run(1000);
        let file = file(30);
        net.seed(a, &file);
        net.fetch(b, &file.link);
        net.run(10_000);
        assert!(net.is_done(b));
        let source = &sources(&mut net, b)[0];
        assert_eq!((source.path, source.detour), (Path::Circuit, Some(why)));
    }
}

#[test]
fn a_circuit_does_not_wait_until_a_data_channel_is_given_up() {
    let (mut net, _, a, b) = two_browsers();
    net.blocked.insert(a);
    let file = file(30);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(4500);
    assert_eq!(met(&mut net, b), []);
    net.run(1500);
    assert_eq!(met(&mut net, b), [(Path::Circuit, Some(Detour::Slow))]);
    net.run(5000);
    assert!(net.is_done(b));
}

#[test]
fn an_offer_without_an_answer_is_said_to_be_one() {
    let (mut net, _, a, b) = two_browsers();
    net.blocked.insert(a);
    let file = file(2000);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.slow_circuits = 400;
    net.run(18_000);
    assert!(!net.is_done(b));
    let unanswered = [(Path::Circuit, Some(Detour::Unanswered))];
    assert_eq!(met(&mut net, b), unanswered);
}

#[test]
fn a_data_channel_takes_over_from_a_circuit_and_nothing_is_asked_for_twice() {
    let (mut net, _, a, b) = two_browsers();
    net.blocked.insert(a);
    let file = file(2000);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.slow_circuits = 400;
    net.run(20_000);
    assert!(!net.is_done(b));
    let before = sources(&mut net, b)[0].bytes;
    assert!(before > 0);

    net.blocked.clear();
    // Tried again 30 s after it failed.
    net.run(40_000);
    assert!(net.is_done(b));
    assert_eq!(met(&mut net, b), [(Path::WebRtc, None)]);
    assert_eq!(met(&mut net, a), [(Path::WebRtc, None)]);
    assert_eq!(net.peer(b).swarm.wasted(), 0);
    let all: usize = file.blobs.iter().map(|blob| blob.bytes().len()).sum();
    let left = all - usize::try_from(before).unwrap();
    // With what stands before a blob in its message.
    let sent = net.peer(a).sent(Path::WebRtc);
    assert!(sent > left / 2 && sent < left + left / 20, "{sent} {left}");
}

#[test]
fn a_channel_through_a_turn_server_is_not_called_direct() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(30);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(5000);
    let channel = |(id, path): (&ConnectionId, &Path)| (*path == Path::WebRtc).then_some(*id);
    let connection = net.peer(b).paths.iter().find_map(channel).unwrap();
    for (pair, detour) in [
        (Pair::Direct, None),
        (Pair::Turn, Some(Detour::NoWay)),
        // ICE may find a better way later.
        (Pair::Direct, None),
    ] {
        net.input(b, Input::Selected { connection, pair });
        let source = &sources(&mut net, b)[0];
        assert_eq!((source.pair, source.detour), (Some(pair), detour));
    }
    // Nobody asked on the other side.
    assert_eq!(net.peer(a).swarm.peers().len(), 2);
    assert!(
        net.peer(a)
            .swarm
            .peers()
            .iter()
            .all(|peer| peer.pair.is_none())
    );
}

#[test]
fn servers_that_a_relay_names_are_reason_to_try_again() {
    let (mut net, relay, a, b) = two_browsers();
    net.blocked.insert(a);
    let file = file(2000);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.slow_circuits = 400;
    net.run(20_000);
    net.blocked.clear();
    net.run(1000);
    assert_eq!(met(&mut net, b)[0].0, Path::Circuit);

    let server = |url: &str| IceServer {
        url: url.into(),
        username: String::new(),
        credential: String::new(),
    };
    let servers = vec![server("stun::3478"), server("https://elsewhere")];
    let lifetime = 60;
    net.say(relay, b, &Message::IceServers { lifetime, servers });
    net.run(1000);
    assert_eq!(net.peer(b).ice_servers, [server("stun:relay:3478")]);
    assert!(met(&mut net, b).contains(&(Path::WebRtc, None)));

    // They are not used for longer than they may be.
    net.run(60_000);
    assert_eq!(net.peer(b).ice_servers, []);
}

#[test]
fn servers_that_anybody_else_names_are_not_used() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(30);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(1000);
    let servers = vec![IceServer {
        url: "stun:elsewhere:1".into(),
        username: String::new(),
        credential: String::new(),
    }];
    let lifetime = 60;
    net.say(a, b, &Message::IceServers { lifetime, servers });
    net.run(1000);
    assert_eq!(net.peer(b).ice_servers, []);
    assert!(!met(&mut net, b).contains(&(Path::WebRtc, None)));
}

#[test]
fn a_machine_that_lost_its_address_goes_on_from_the_new_one() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(4000);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(150);
    assert!(!net.is_done(b));
    net.input(b, Input::Moved { lost: true });
    assert_eq!(met(&mut net, b), []);
    net.run(10_000);
    assert!(net.is_done(b));
    assert_eq!(met(&mut net, b), [(Path::WebRtc, None)]);
}

#[test]
fn a_peer_that_comes_from_another_address_takes_the_place_of_its_dead_channel() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(4000);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(150);
    assert!(!net.is_done(b));
    net.sever(a, b);
    net.input(a, Input::Moved { lost: true });
    net.run(10_000);
    assert!(net.is_done(b));
    assert!(met(&mut net, b).contains(&(Path::WebRtc, None)));
}

/// Relays with a bridge between them name everybody once for each.
#[test]
fn a_peer_in_the_rooms_of_two_relays_is_met_in_one_of_them() {
    let mut net = Net::default();
    for address in ["ws://one/ws", "ws://other/ws"] {
        let relay = net.add(|config| {
            config.features = Features::ROOMS;
            config.generosity.sympathy = 0;
        });
        net.listen(relay, address);
    }
    let [a, b] = [(); 2].map(|()| {
        net.add(|config| {
            config.webrtc = true;
            config.limits.channels = 1;
        })
    });
    for host in [a, b] {
        net.keep(host, "ws://one/ws");
        net.keep(host, "ws://other/ws");
    }
    net.run(1000);
    let file = file(4000);
    net.channel_rate = 10_000;
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(10_000);
    let first = net.offered;
    assert!(first >= 3, "the other one twice, and itself: {first}");
    net.run(120_000);
    assert!(!net.is_done(b));
    assert_eq!(net.offered, first);

    // What is known of who is who does not keep them apart.
    net.sever(a, b);
    net.input(b, Input::Moved { lost: true });
    net.channel_rate = 0;
    net.run(60_000);
    assert!(net.is_done(b));
}

/// Several channels of a peer share one turn: whatever becomes of the one that
/// waits for it, the others go on.
#[test]
fn a_limit_on_uploads_is_used_up_while_there_is_something_to_send() {
    for near in [false, true] {
        for start in [3000, 3100, 3250, 3400, 3500, 3700] {
            let mut net = Net::default();
            net.exact = true;
            net.near = near;
            net.relay();
            let rate = NonZeroU64::new(4400).unwrap();
            let a = net.add(|config| {
                config.webrtc = true;
                config.rates.upload = Some(Rate {
                    bytes_per_second: rate,
                    burst: rate.get(),
                });
            });
            let b = net.browser();
            for host in [a, b] {
                net.keep(host, RELAY);
            }
            net.run(1000);
            let file = file(300);
            net.seed(a, &file);
            net.fetch(b, &file.link);
            net.run(start);
            // Some of its channels are dead from here on.
            net.sever(a, b);
            net.input(b, Input::Moved { lost: true });
            net.run(3000);
            for _ in 0..5 {
                let before = bytes(&mut net, b);
                net.run(3000);
                let came = bytes(&mut net, b) - before;
                assert!(came > rate.get() * 5 / 2, "{start}: {came} bytes in 3 s");
            }
        }
    }
}

fn bytes(net: &mut Net, host: Host) -> u64 {
    net.peer(host).swarm.progress(TRANSFER).unwrap().bytes_held
}
