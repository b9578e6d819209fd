//! Carries packets between two devices: one thread, no timer a packet.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tun_rs::SyncDevice;

use crate::line::{Direction, Line};

/// Packets taken from one end before it is looked whether others are due.
const BATCH: usize = 64;

/// How long it may take until the end of the line is noticed.
const LOOK: Duration = Duration::from_millis(100);

/// Longer than any packet.
const LONGEST: usize = 64 << 10;

/// A packet on its way.
type Packet = (Instant, Vec<u8>);

pub(crate) fn carry(ends: &[SyncDevice; 2], line: Line, over: &AtomicBool) {
    let now = Instant::now();
    let mut directions = [0, 1].map(|from| Direction::new(line, from, now));
    let mut ways: [VecDeque<Packet>; 2] = Default::default();
    let mut buffer = vec![0; LONGEST];
    while !over.load(Ordering::Relaxed) {
        let mut full = false;
        for from in [0, 1] {
            let now = Instant::now();
            let mut taken = 0;
            while taken < BATCH
                && let Ok(len) = ends[from].recv(&mut buffer)
            {
                taken += 1;
                if let Some(due) = directions[from].take(now, len) {
                    ways[from].push_back((due, buffer[..len].to_vec()));
                }
            }
            full |= taken == BATCH;
        }
        let now = Instant::now();
        for from in [0, 1] {
            while let Some((_, packet)) = ways[from].pop_front_if(|(due, _)| *due <= now) {
                // What an end does not take is lost.
                let _ = ends[1 - from].send(&packet);
            }
        }
        if !full {
            let due = ways.iter().filter_map(VecDeque::front);
            let due = due.map(|(due, _)| due.saturating_duration_since(now)).min();
            wait(ends, due.unwrap_or(LOOK).min(LOOK));
        }
    }
}

/// Until a packet comes, or so long.
fn wait(ends: &[SyncDevice; 2], most: Duration) {
    let mut polled = ends.each_ref().map(|end| PollFd::new(end, PollFlags::IN));
    let most = Timespec::try_from(most).expect("less than a second");
    // A signal only ends the wait.
    let _ = poll(&mut polled, Some(&most));
}
