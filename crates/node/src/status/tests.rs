use samara_swarm::{Detour, Millis, Pair, Traffic};

use super::*;

fn peer(number: u8) -> PeerId {
    PeerId::from_bytes([number; 32])
}

fn source(number: u8, rate: u64) -> Source {
    Source {
        peer: peer(number),
        path: Connected::WebRtc,
        pair: Some(Pair::Turn),
        detour: Some(Detour::NoWay),
        bytes: 5,
        rate,
        sent: 7,
        round_trip: Some(Millis(9)),
        requests: 1,
        channels: 1,
    }
}

fn said() -> Said {
    let account = Account {
        peer: peer(1),
        traffic: Traffic {
            sent: 3,
            received: 4,
        },
        last_seen: UNIX_EPOCH + Duration::from_secs(2),
    };
    let status = Status::new(Stats::default(), 6, &[account]);
    Said::now(status, Live::new(vec![source(2, 0)]))
}

#[test]
fn what_is_said_is_read_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let file = StatusFile::beside(dir.path());
    assert_eq!(file.read().unwrap(), None);
    file.write(&said()).unwrap();
    let read = file.read().unwrap().unwrap();
    assert_eq!(read.process, std::process::id());
    assert_eq!(read.status, said().status);
    assert_eq!(read.live, said().live);
    file.remove();
    assert_eq!(file.read().unwrap(), None);
}

#[test]
fn something_else_in_the_file_is_an_error_that_names_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = StatusFile::beside(dir.path());
    for text in ["", "{}", "[1]"] {
        fs::write(&file.0, text).unwrap();
        let error = file.read().unwrap_err();
        assert!(matches!(error, StatusError::Damaged { .. }), "{text}");
        assert!(error.to_string().contains("status.json"), "{error}");
    }
}

#[test]
fn what_cannot_be_written_is_not_left_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let file = StatusFile::beside(dir.path());
    file.write(&said()).unwrap();
    // In the place of the file to be written first.
    fs::create_dir(file.0.with_extension("new")).unwrap();
    file.write(&said()).unwrap_err();
    assert_eq!(file.read().unwrap(), None);
}

#[test]
fn the_busiest_of_many_peers_are_named() {
    let sources = (0..=255).map(|number| source(number, u64::from(number)));
    let live = Live::new(sources.collect());
    assert_eq!(live.connected_peers, 256);
    assert_eq!(live.peers.len(), 64);
    assert_eq!(live.peers[0].peer, peer(255));
}
