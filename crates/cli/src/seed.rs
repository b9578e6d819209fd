//! `samara seed`: serves a file until stopped.

use std::path::PathBuf;

use samara_node::{Target, TransferEvent};
use samara_store::Store;

use crate::args::Seed;
use crate::exit::Failure;
use crate::report::{Event, Report};
use crate::source::Source;
use crate::{copies, network, signals, source, store};

/// Seeds until the user stops it.
pub fn run(args: &Seed, store: Option<PathBuf>, report: &Report) -> Result<(), Failure> {
    let Source { target, relay } = source::read(&args.what)?;
    let relays = network::relays(&args.network, relay);
    let (store, dir) = store::open(store, args.limit.max_size)?;
    crate::runtime()?.block_on(async {
        let (node, mut contacts) =
            network::start(&args.network, &args.manners, &relays, store, &dir, true).await?;
        if let Some(address) = node.listen_addr() {
            report.event(&Event::Listening { address });
        }
        report_held(&target, node.store(), report);
        let mut transfer = node.open(target);
        if let Some(copies) = args.copies.push {
            transfer.push(copies);
        }
        let link = transfer.link();
        report.event(&Event::Link {
            link: link.to_text(),
            urls: relays
                .iter()
                .map(|relay| link.to_url(&relay.page()))
                .collect(),
        });
        let mut stop = signals::stop();
        let result = loop {
            tokio::select! {
                () = signals::stopped(&mut stop) => break Ok(()),
                () = contacts.report_next(report) => {}
                event = transfer.event() => match on_event(event, report) {
                    Ok(()) => {}
                    Err(failure) => break Err(failure),
                },
            }
        };
        drop(transfer);
        node.shutdown().await;
        report.event(&Event::Stopped);
        result
    })
}

fn on_event(event: Option<TransferEvent>, report: &Report) -> Result<(), Failure> {
    match event {
        Some(TransferEvent::Done) => report.event(&Event::Seeding),
        Some(TransferEvent::Entry(entry)) => report.event(&Event::Entry {
            name: entry.name().to_owned(),
            size: entry.size(),
            chunks: entry.chunks().len(),
        }),
        Some(TransferEvent::Failed(error)) => return Err(error.into()),
        Some(event) => {
            if let Some(event) = copies::event_of(event) {
                report.event(&event);
            }
        }
        None => {}
    }
    Ok(())
}

/// Somebody who names the wrong store would otherwise seed nothing, quietly.
fn report_held(target: &Target, store: &Store, report: &Report) {
    if let Target::Entry(entry, _) = target {
        let held = entry.chunks().iter().filter(|chunk| store.has(&chunk.id));
        report.event(&Event::Held {
            chunks: held.count(),
            total_chunks: entry.chunks().len(),
        });
    }
}
