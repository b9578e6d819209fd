//! `samara ingest`: a file into the store, and what opens it out.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use samara_node::{IngestError, Ingested, ingest};
use samara_store::Store;

use crate::args::Ingest;
use crate::exit::Failure;
use crate::report::{Event, Progress, Report};
use crate::{output, signals, store};

/// Ingests, and prints the entry.
pub fn run(args: &Ingest, store: Option<PathBuf>, report: &Report) -> Result<(), Failure> {
    // Before the work, which would be for nothing.
    let output = args.output.as_deref().unwrap_or(Path::new("-"));
    let output = output::for_secret(output)?;
    let (store, _) = store::open(store, args.limit.max_size)?;
    let ingested = seal(args, &store, report)?;
    let entry = &ingested.entry;
    output::write_secret(output, &entry.to_json())?;
    // Before, a kill takes the blobs back: nobody could open them.
    ingested.draft.finish().map_err(IngestError::from)?;
    report.event(&Event::Done {
        path: args.output.clone(),
        bytes: entry.size(),
        received_bytes: 0,
    });
    let pages = args.relay.iter().map(samara_node::PeerUrl::page);
    report.event(&Event::Link {
        link: ingested.link.to_text(),
        urls: pages.map(|page| ingested.link.to_url(&page)).collect(),
    });
    Ok(())
}

fn seal(args: &Ingest, store: &Store, report: &Report) -> Result<Ingested, Failure> {
    let runtime = crate::runtime()?;
    let guard = runtime.enter();
    let stop = signals::stop();
    drop(guard);

    let total_bytes = std::fs::metadata(&args.input).map_or(0, |found| found.len());
    let started = Instant::now();
    let (done, said) = (AtomicU64::new(0), AtomicU64::new(0));
    let interval = report.interval().as_millis();
    let interval = u64::try_from(interval).expect("an interval is short");
    let progress = |bytes| {
        let bytes = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
        let millis = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        let turn = millis / interval;
        if said.fetch_max(turn, Ordering::Relaxed) < turn {
            report.event(&Event::Progress(Progress {
                bytes,
                total_bytes,
                bytes_per_second: bytes.saturating_mul(1000) / millis.max(1),
                ..Progress::default()
            }));
        }
        if *stop.borrow() {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    Ok(ingest(store, &args.input, &progress)?)
}
