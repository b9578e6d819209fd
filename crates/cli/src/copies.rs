//! Copies of a file with other peers.

use std::time::Duration;

use samara_node::{Transfer, TransferEvent};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::exit::{Code, Failure};
use crate::network::Contacts;
use crate::report::{Event, Report};
use crate::signals;

/// Pushes a complete file until so many keepers proved that they hold all of
/// it, or nobody proved anything for `timeout`.
pub async fn make(
    copies: u8,
    transfer: &mut Transfer,
    contacts: &mut Contacts,
    timeout: Option<Duration>,
    stop: &mut watch::Receiver<bool>,
    report: &Report,
) -> Result<(), Failure> {
    transfer.push(copies);
    let mut whole = 0;
    let mut saw_proof = Instant::now();
    let mut ticks = tokio::time::interval(report.interval());
    loop {
        tokio::select! {
            () = signals::stopped(stop) => {
                let message = format!("stopped; {}", left(whole, copies));
                return Err(Failure::new(Code::Stopped, message));
            }
            () = contacts.report_next(report) => {}
            _ = ticks.tick() => {
                if let Some(failure) = contacts.hopeless() {
                    let message = format!("{}; {}", failure.message, left(whole, copies));
                    return Err(Failure::new(failure.code, message));
                }
                if let Some(timeout) = timeout.filter(|most| saw_proof.elapsed() >= *most) {
                    let seconds = timeout.as_secs_f64();
                    let message = format!(
                        "nobody proved another copy in {seconds} seconds; {}",
                        left(whole, copies)
                    );
                    return Err(Failure::new(Code::Unreachable, message));
                }
            }
            event = transfer.event() => {
                match event {
                    Some(TransferEvent::Failed(error)) => return Err(error.into()),
                    None => return Err(Failure::new(Code::Other, "the node stopped")),
                    Some(event) => {
                        if let TransferEvent::Pushed { copies, .. } = event {
                            (whole, saw_proof) = (copies, Instant::now());
                        }
                        if let Some(event) = event_of(event) {
                            report.event(&event);
                        }
                    }
                }
                if whole >= copies {
                    return Ok(());
                }
            }
        }
    }
}

fn left(whole: u8, copies: u8) -> String {
    format!(
        "the file is complete here, and {whole} of {copies} whole copies are kept elsewhere; run \
         the same command again to go on from here"
    )
}

/// What a push tells.
pub fn event_of(event: TransferEvent) -> Option<Event> {
    match event {
        TransferEvent::Pushed {
            proven,
            wanted,
            copies,
            target,
        } => Some(Event::Pushed {
            proven,
            wanted,
            copies,
            target,
        }),
        TransferEvent::PushRefused { reason } => Some(Event::PushRefused { reason }),
        _ => None,
    }
}
