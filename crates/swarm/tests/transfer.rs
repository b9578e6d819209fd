//! Whole transfers between machines in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use net::file::file;
use net::{Host, Net};
use samara_swarm::{Event, Generosity, Input, Path, Rate, State, TransferFailure, TransferId};

const RELAY: &str = "ws://relay/ws";
const TRANSFER: TransferId = TransferId(1);

/// Two browsers and the relay both know.
fn two_browsers() -> (Net, Host, Host, Host) {
    let mut net = Net::default();
    let relay = net.relay();
    let (a, b) = (net.browser(), net.browser());
    net.keep(a, RELAY);
    net.keep(b, RELAY);
    (net, relay, a, b)
}

#[test]
fn two_natives_transfer_over_one_connection() {
    let mut net = Net::default();
    let (seeder, reader) = (net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    let file = file(40);
    net.seed(seeder, &file);
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(10_000);
    assert!(net.is_done(reader));
    assert!(net.has_all(reader, &file.entry));
}

#[test]
fn browsers_meet_in_a_room_and_the_relay_carries_no_blob() {
    let (mut net, relay, a, b) = two_browsers();
    let file = file(300);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(10_000);
    assert!(net.is_done(b));
    assert!(net.peer(a).sent(Path::WebRtc) > 300 * 1024);
    assert_eq!(net.peer(relay).sent(Path::WebSocket), 0);
    assert!(net.peer(relay).store.is_empty());
}

#[test]
fn a_reader_that_waits_alone_begins_when_a_seeder_comes() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(5);
    net.fetch(b, &file.link);
    net.run(60_000);
    let progress = net.peer(b).swarm.progress(TRANSFER).unwrap();
    assert_eq!(progress.state, State::Waiting);
    net.seed(a, &file);
    net.run(10_000);
    assert!(net.is_done(b));
}

#[test]
fn a_reader_seeds_on_after_the_first_seeder_is_gone() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(20);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(10_000);
    net.kill(a);
    let c = net.browser();
    net.keep(c, RELAY);
    net.fetch(c, &file.link);
    net.run(10_000);
    assert!(net.is_done(c));
    assert!(net.peer(b).sent(Path::WebRtc) > 0);
}

#[test]
fn members_without_data_channels_transfer_through_a_sealed_circuit() {
    let (mut net, relay, a, _) = two_browsers();
    let native = net.native();
    net.keep(native, RELAY);
    let file = file(30);
    net.seed(native, &file);
    net.fetch(a, &file.link);
    net.run(20_000);
    assert!(net.is_done(a));
    assert!(net.peer(relay).store.is_empty());
    let progress = net.peer(a).swarm.progress(TRANSFER).unwrap();
    assert_eq!(progress.sources[0].path, Path::Circuit);
}

#[test]
fn a_data_channel_that_does_not_come_about_is_replaced_by_a_circuit() {
    let (mut net, _, a, b) = two_browsers();
    net.blocked.insert(a);
    let file = file(30);
    net.seed(a, &file);
    net.fetch(b, &file.link);
    net.run(60_000);
    assert!(net.is_done(b));
}

#[test]
fn two_readers_that_offer_at_once_still_meet() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(30);
    let half = file.blobs.len() / 2;
    net.give(a, file.blobs[..half].iter().cloned());
    net.give(b, file.blobs[half..].iter().cloned());
    net.fetch(a, &file.link);
    net.fetch(b, &file.link);
    net.run(30_000);
    assert!(net.is_done(a) && net.is_done(b));
}

#[test]
fn a_pushed_file_stays_with_the_relay_after_its_owner_left() {
    let (mut net, relay, a, b) = two_browsers();
    let file = file(200);
    net.seed(a, &file);
    net.run(1000);
    net.push(a, 1);
    net.run(10_000);
    let pushed = net
        .peer(a)
        .events
        .iter()
        .any(|event| matches!(event, Event::Pushed { copies: 1, .. }));
    assert!(pushed);
    assert_eq!(net.peer(relay).store.len(), file.blobs.len());
    net.kill(a);
    net.fetch(b, &file.link);
    net.run(10_000);
    assert!(net.is_done(b));
}

#[test]
fn a_push_to_a_full_keeper_is_refused_and_may_be_tried_again() {
    let (mut net, relay, a, _) = two_browsers();
    let file = file(200);
    net.peer(relay).room = 50 * 1040;
    net.seed(a, &file);
    net.run(1000);
    net.push(a, 1);
    net.run(10_000);
    let refused = net.peer(a).events.iter();
    let refused = refused.filter(|event| matches!(event, Event::PushRefused { .. }));
    assert_eq!(refused.count(), 1);
    let sent = net.peer(a).sent(Path::WebSocket);
    // What fits, and what is asked for at once.
    assert!(sent < 100 * 1060, "little is sent in vain: {sent}");

    net.peer(relay).room = usize::MAX;
    net.push(a, 1);
    net.run(10_000);
    assert_eq!(net.peer(relay).store.len(), file.blobs.len());
}

#[test]
fn natives_find_each_other_by_the_dht_alone() {
    let mut net = Net::default();
    let seeder = net.add(|config| config.announce = true);
    let reader = net.add(|config| config.lookup = true);
    net.listen(seeder, "ws://seeder/ws");
    let file = file(10);
    net.fetch(reader, &file.link);
    net.run(1000);
    net.seed(seeder, &file);
    net.run(60_000);
    assert!(net.is_done(reader));
}

/// A keeper knows no file, so the DHT names it for blobs only.
#[test]
fn a_keeper_that_only_the_dht_knows_is_found_by_its_blobs() {
    let mut net = Net::default();
    let file = file(10);
    let keeper = net.native();
    net.listen(keeper, "ws://keeper/ws");
    net.give(keeper, file.blobs.iter().cloned());
    for blob in &file.blobs {
        let holders = net.dht.entry(Net::blob_key(&blob.id())).or_default();
        holders.insert("ws://keeper/ws".to_owned());
    }
    let reader = net.add(|config| config.lookup = true);
    net.fetch(reader, &file.link);
    net.run(50_000);
    assert!(
        !net.is_done(reader),
        "what is found by its topic comes first"
    );
    net.run(70_000);
    assert!(net.is_done(reader));
}

#[test]
fn several_sources_share_the_work() {
    let mut net = Net::default();
    let file = file(400);
    let reader = net.native();
    let mut seeders = Vec::new();
    for address in ["ws://1/ws", "ws://2/ws", "ws://3/ws"] {
        let seeder = net.native();
        net.listen(seeder, address);
        net.seed(seeder, &file);
        net.keep(reader, address);
        seeders.push(seeder);
    }
    net.fetch(reader, &file.link);
    net.run(20_000);
    assert!(net.is_done(reader));
    let sent: Vec<_> = seeders
        .iter()
        .map(|s| net.peers[s.0].sent(Path::WebSocket))
        .collect();
    assert!(sent.iter().all(|bytes| *bytes > 50 * 1024), "{sent:?}");
    let total: usize = sent.iter().sum();
    assert!(total < 420 * 1100, "no blob is fetched twice: {total}");
}

#[test]
fn what_a_source_owes_when_it_dies_comes_from_another() {
    let mut net = Net::default();
    let file = file(200);
    let (reader, dying, living) = (net.native(), net.native(), net.native());
    for (host, address) in [(dying, "ws://1/ws"), (living, "ws://2/ws")] {
        net.listen(host, address);
        net.seed(host, &file);
        net.keep(reader, address);
    }
    net.fetch(reader, &file.link);
    net.run(120);
    assert!(!net.is_done(reader));
    net.peer(dying).silent = true;
    net.run(60_000);
    assert!(net.is_done(reader));
}

#[test]
fn a_liar_is_cut_off_and_the_file_comes_from_an_honest_source() {
    let mut net = Net::default();
    let file = file(50);
    let (reader, liar, honest) = (net.native(), net.native(), net.native());
    for (host, address) in [(liar, "ws://1/ws"), (honest, "ws://2/ws")] {
        net.listen(host, address);
        net.seed(host, &file);
        net.keep(reader, address);
    }
    net.peer(liar).lies = true;
    net.fetch(reader, &file.link);
    net.run(30_000);
    assert!(net.is_done(reader));
    let events = &net.peer(reader).events;
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Misbehaved { .. }))
    );
}

#[test]
fn a_fetch_that_is_run_again_fetches_only_what_is_missing() {
    let mut net = Net::default();
    let file = file(100);
    let (seeder, reader) = (net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.give(reader, file.blobs[..90].iter().cloned());
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(10_000);
    assert!(net.is_done(reader));
    assert!(net.peer(seeder).sent(Path::WebSocket) < 25 * 1100);
    let chunks = net.peer(reader).events.iter();
    let chunks = chunks.filter(|event| matches!(event, Event::Chunk { .. }));
    assert_eq!(chunks.count(), 100);
}

#[test]
fn a_full_store_ends_the_transfer_with_its_own_words() {
    let mut net = Net::default();
    let file = file(10);
    let (seeder, reader) = (net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.peer(reader).room = 4000;
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(10_000);
    let failed = net.peer(reader).events.iter().any(|event| {
        let failure = TransferFailure::Store("the store is full".into());
        *event
            == Event::Failed {
                transfer: TRANSFER,
                failure,
            }
    });
    assert!(failed);
    let progress = net.peer(reader).swarm.progress(TRANSFER).unwrap();
    assert_eq!(progress.state, State::Failed);
}

#[test]
fn a_lost_relay_is_dialed_again_until_it_is_back() {
    let (mut net, _, a, b) = two_browsers();
    let file = file(10);
    net.seed(a, &file);
    net.run(1000);
    net.kill(Host(0));
    net.run(20_000);
    let problems = net.peer(b).events.iter();
    let problems = problems.filter(|event| {
        matches!(
            event,
            Event::Kept {
                problem: Some(_),
                ..
            }
        )
    });
    assert!(problems.count() >= 2);
    net.relay();
    net.fetch(b, &file.link);
    net.run(90_000);
    assert!(net.is_done(b));
}

#[test]
fn a_paused_transfer_rests_until_it_is_resumed() {
    let mut net = Net::default();
    let file = file(100);
    let (seeder, reader) = (net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(100);
    net.input(reader, Input::Pause { transfer: TRANSFER });
    net.run(1000);
    let before = net.peer(reader).swarm.progress(TRANSFER).unwrap();
    assert_eq!(before.state, State::Paused);
    net.run(60_000);
    let after = net.peer(reader).swarm.progress(TRANSFER).unwrap();
    assert_eq!(after.chunks_held, before.chunks_held);
    net.input(reader, Input::Resume { transfer: TRANSFER });
    net.run(20_000);
    assert!(net.is_done(reader));
}

#[test]
fn more_blobs_than_wants_may_be_open_still_arrive() {
    let mut net = Net::default();
    let file = file(500);
    let seeder = net.native();
    let reader = net.add(|config| config.limits.wants_per_peer = 64);
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(60_000);
    assert!(net.is_done(reader));
}

#[test]
fn a_limit_on_downloads_below_a_blob_slows_and_does_not_stop() {
    let mut net = Net::default();
    let file = file(5);
    let seeder = net.native();
    let bytes_per_second = 500.try_into().unwrap();
    let download = Rate {
        bytes_per_second,
        burst: 500,
    };
    let reader = net.add(|config| config.rates.download = Some(download));
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(60_000);
    assert!(net.is_done(reader));
}

const STINGY: Generosity = Generosity {
    sympathy: 0,
    stingy: true,
};

#[test]
fn a_stingy_seeder_serves_an_entry_of_several_blobs() {
    let mut net = Net::default();
    let file = file(300);
    let seeder = net.add(|config| config.generosity = STINGY);
    let reader = net.native();
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.keep(reader, "ws://seeder/ws");
    net.fetch(reader, &file.link);
    net.run(30_000);
    assert!(net.is_done(reader));
}

#[test]
fn a_stingy_reader_answers_wants_that_came_before_it_knew_the_entry() {
    let mut net = Net::default();
    let file = file(20);
    let (seeder, reader) = (net.native(), net.native());
    let stingy = net.add(|config| config.generosity = STINGY);
    net.listen(seeder, "ws://seeder/ws");
    net.listen(stingy, "ws://stingy/ws");
    net.keep(reader, "ws://stingy/ws");
    net.fetch(reader, &file.link);
    net.run(10_000);
    net.seed(seeder, &file);
    net.keep(stingy, "ws://seeder/ws");
    net.fetch(stingy, &file.link);
    net.run(60_000);
    assert!(net.is_done(stingy) && net.is_done(reader));
}

#[test]
fn the_first_wants_travel_right_behind_the_proof() {
    let mut net = Net::default();
    let (seeder, reader) = (net.native(), net.native());
    let file = file(1);
    net.listen(seeder, "ws://seeder/ws");
    net.seed(seeder, &file);
    net.fetch(reader, &file.link);
    net.keep(reader, "ws://seeder/ws");
    // Connecting, HANDSHAKE, its answer, PROOF and WANT, HAVE, REQUEST: six
    // times one way. Then the blob, loaded and on its way, and stored.
    net.run(7 * 10 + 2);
    let stored = net.peer(reader).store.len();
    assert_eq!(stored, 1, "the entry blob came as soon as it can");
}
