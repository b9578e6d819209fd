//! Order, fairness, limits and relief, in virtual time.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "the network has more than this suite needs")]

mod net;

use std::num::NonZeroU64;

use net::file::file;
use net::{Host, Net};
use samara_swarm::{Event, Input, Order, Path, Rate, Rates, TransferId};

const TRANSFER: TransferId = TransferId(1);

fn pair() -> (Net, Host, Host) {
    let mut net = Net::default();
    let (seeder, reader) = (net.native(), net.native());
    net.listen(seeder, "ws://seeder/ws");
    net.keep(reader, "ws://seeder/ws");
    (net, seeder, reader)
}

/// Positions of the chunks in the order they came.
fn arrivals(net: &mut Net, host: Host) -> Vec<u32> {
    let events = net.peer(host).events.iter();
    let chunks = events.filter_map(|event| match event {
        Event::Chunk { index, .. } => Some(*index),
        _ => None,
    });
    chunks.collect()
}

fn order(net: &mut Net, host: Host, order: Order) {
    let transfer = TRANSFER;
    net.input(host, Input::Prioritise { transfer, order });
}

fn slow(bytes_per_second: u64) -> Option<Rate> {
    let bytes_per_second = NonZeroU64::new(bytes_per_second)?;
    let burst = 2048;
    Some(Rate {
        bytes_per_second,
        burst,
    })
}

fn limit_upload(net: &mut Net, host: Host, bytes_per_second: u64) {
    let rates = Rates {
        upload: slow(bytes_per_second),
        download: None,
    };
    net.input(host, Input::Limit(rates));
}

#[test]
fn what_is_played_comes_in_order() {
    let (mut net, seeder, reader) = pair();
    let file = file(100);
    net.seed(seeder, &file);
    limit_upload(&mut net, seeder, 20_000);
    net.fetch(reader, &file.link);
    order(
        &mut net,
        reader,
        Order::InOrder {
            from: 0,
            window: 100,
        },
    );
    net.run(60_000);
    let came = arrivals(&mut net, reader);
    assert_eq!(came.len(), 100);
    // A few are asked for at once and may overtake each other.
    let late = came.windows(2).filter(|pair| pair[1] < pair[0]).count();
    assert!(late < 5, "{came:?}");
}

#[test]
fn after_a_seek_only_what_is_named_comes_until_more_is() {
    let (mut net, seeder, reader) = pair();
    let file = file(100);
    net.seed(seeder, &file);
    net.fetch(reader, &file.link);
    order(&mut net, reader, Order::Only(vec![70..80, 90..95]));
    net.run(30_000);
    let mut came = arrivals(&mut net, reader);
    came.sort_unstable();
    assert_eq!(came, (70..80).chain(90..95).collect::<Vec<_>>());
    order(&mut net, reader, Order::RarestFirst);
    net.run(30_000);
    assert!(net.is_done(reader));
}

#[test]
fn another_order_holds_at_once() {
    let (mut net, seeder, reader) = pair();
    let file = file(100);
    net.seed(seeder, &file);
    limit_upload(&mut net, seeder, 20_000);
    net.fetch(reader, &file.link);
    net.run(1_000);
    let before = arrivals(&mut net, reader).len();
    let (from, window) = (40, 60);
    order(&mut net, reader, Order::InOrder { from, window });
    net.run(2_000);
    let came = arrivals(&mut net, reader);
    // Two may be on their way already.
    let after = &came[before + 2..before + 12];
    assert!(
        after.iter().all(|chunk| (40..60).contains(chunk)),
        "{came:?}"
    );
}

/// A seeder sends first what it served least: to others it served the beginning.
#[test]
fn what_is_played_first_comes_first_from_a_source_that_has_others() {
    let (mut net, file) = (Net::default(), file(50));
    net.relay();
    let seeder = net.browser();
    net.keep(seeder, "ws://relay/ws");
    net.run(1000);
    net.seed(seeder, &file);
    limit_upload(&mut net, seeder, 2000);
    let from_start = Order::InOrder {
        from: 0,
        window: 50,
    };
    for _ in 0..3 {
        let reader = net.browser();
        net.keep(reader, "ws://relay/ws");
        net.run(1000);
        net.fetch(reader, &file.link);
        order(&mut net, reader, from_start.clone());
        net.run(10_000);
        let came = arrivals(&mut net, reader);
        assert_eq!(came[..2], [0, 1], "{came:?}");
        // Before it helps the next.
        net.kill(reader);
    }
}

#[test]
fn limits_on_speed_are_kept() {
    for side in [0, 1] {
        let (mut net, seeder, reader) = pair();
        let file = file(100);
        net.seed(seeder, &file);
        let rates = [
            (
                seeder,
                Rates {
                    upload: slow(10_000),
                    download: None,
                },
            ),
            (
                reader,
                Rates {
                    upload: None,
                    download: slow(10_000),
                },
            ),
        ];
        let (host, rates) = rates[side];
        net.input(host, Input::Limit(rates));
        net.fetch(reader, &file.link);
        net.run(5_000);
        let sent = net.peer(seeder).sent(Path::WebSocket);
        assert!((30_000..60_000).contains(&sent), "{sent} bytes in 5 s");
        net.run(20_000);
        assert!(net.is_done(reader));
    }
}

#[test]
fn an_upload_limit_is_shared_fairly() {
    let mut net = Net::default();
    let seeder = net.native();
    net.listen(seeder, "ws://seeder/ws");
    net.input(
        seeder,
        Input::Limit(Rates {
            upload: slow(20_000),
            download: None,
        }),
    );
    let files: Vec<_> = (0..5)
        .map(|number| net::file::numbered(200, number))
        .collect();
    for file in &files {
        net.give(seeder, file.blobs.iter().cloned());
    }
    let readers: Vec<_> = files
        .iter()
        .map(|file| {
            let reader = net.native();
            net.keep(reader, "ws://seeder/ws");
            net.fetch(reader, &file.link);
            reader
        })
        .collect();
    net.run(20_000);
    let got: Vec<_> = readers
        .iter()
        .map(|reader| net.peer(*reader).store.len())
        .collect();
    let (least, most) = (got.iter().min().unwrap(), got.iter().max().unwrap());
    assert!(*least > 0 && *most <= least + least / 2 + 5, "{got:?}");
}

#[test]
fn a_fast_source_takes_over_what_a_slow_one_owes() {
    let mut net = Net::default();
    let (fast, slow_one, reader) = (net.native(), net.native(), net.native());
    let file = file(60);
    for (host, address) in [(fast, "ws://fast/ws"), (slow_one, "ws://slow/ws")] {
        net.listen(host, address);
        net.keep(reader, address);
        net.seed(host, &file);
    }
    net.input(
        slow_one,
        Input::Limit(Rates {
            upload: slow(500),
            download: None,
        }),
    );
    net.fetch(reader, &file.link);
    net.run(15_000);
    assert!(net.is_done(reader), "the slow source decides");
    let wasted = net.peer(reader).swarm.wasted();
    assert!(wasted <= 3 * 1040, "{wasted} bytes came twice");
}

#[test]
fn a_slow_source_does_not_hold_up_what_is_played_next() {
    let mut net = Net::default();
    let (fast, slow_one, reader) = (net.native(), net.native(), net.native());
    let file = file(200);
    let sources = [
        (fast, "ws://fast/ws", 20_000),
        (slow_one, "ws://slow/ws", 200),
    ];
    for (host, address, rate) in sources {
        net.listen(host, address);
        net.keep(reader, address);
        net.seed(host, &file);
        limit_upload(&mut net, host, rate);
    }
    net.fetch(reader, &file.link);
    let (from, window) = (0, 200);
    order(&mut net, reader, Order::InOrder { from, window });
    let mut furthest = 0;
    for _ in 0..30 {
        net.run(200);
        let mut came = arrivals(&mut net, reader);
        came.sort_unstable();
        let in_order = (0..).zip(&came).take_while(|(at, chunk)| at == *chunk);
        furthest = furthest.max(came.len() - in_order.count());
    }
    let came = arrivals(&mut net, reader).len();
    assert!((80..200).contains(&came), "{came} came, mid-way");
    // In 5 s the fast source sends some 100.
    assert!(furthest < 60, "{furthest} wait for one of the slow source");
    let wasted = net.peer(reader).swarm.wasted();
    assert!(wasted <= 8 * 1040, "{wasted} bytes came twice");
}

#[test]
fn a_crowd_gets_different_blobs_first() {
    let mut net = Net::default();
    let seeder = net.native();
    net.listen(seeder, "ws://seeder/ws");
    let file = file(200);
    net.seed(seeder, &file);
    net.input(
        seeder,
        Input::Limit(Rates {
            upload: slow(40_000),
            download: None,
        }),
    );
    let readers: Vec<_> = (0..10).map(|_| net.native()).collect();
    for (number, reader) in readers.iter().enumerate() {
        net.listen(*reader, &format!("ws://{number}/ws"));
        net.keep(*reader, "ws://seeder/ws");
        for other in 0..number {
            net.keep(*reader, &format!("ws://{other}/ws"));
        }
        net.fetch(*reader, &file.link);
    }
    net.run(30_000);
    assert!(readers.iter().all(|reader| net.is_done(*reader)));
    let sent = net.peer(seeder).sent(Path::WebSocket);
    let copy = 200 * 1040;
    assert!(
        sent < 3 * copy,
        "{sent} bytes of a file of {copy} to ten readers"
    );
}

#[test]
fn holdings_are_told_as_bits_to_those_who_know_the_file() {
    let (mut net, seeder, reader) = pair();
    let file = file(400);
    net.seed(seeder, &file);
    net.fetch(reader, &file.link);
    net.run(30_000);
    assert!(net.is_done(reader));
    assert!(net.bitfields >= 2, "each shows its own");
}
