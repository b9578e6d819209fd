//! `samara fetch`: a file from whoever holds its blobs.

use std::collections::VecDeque;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use samara_core::FileEntry;
use samara_node::{Node, State, StreamError, Streamer, Transfer, TransferEvent};
use tokio::sync::oneshot;

use crate::args::Fetch;
use crate::exit::{Code, Failure};
use crate::network::{self, Contacts};
use crate::output::Output;
use crate::report::{Event, Progress, Report, Source, pair_name, path_name};
use crate::{copies, signals, source, store};

/// Speed is the average over so long.
const SPEED_OVER: Duration = Duration::from_secs(3);

/// Waiting for less is not worth a word.
const SAY_WAITING: Duration = Duration::from_secs(1);

/// Fetches until the file is complete.
pub fn run(args: &Fetch, store: Option<PathBuf>, report: &Report) -> Result<(), Failure> {
    let source::Source { target, relay } = source::read(&args.what)?;
    let relays = network::relays(&args.network, relay);
    let output = Output::of(&args.output)?;
    let (store, dir) = store::open(store, args.limit.max_size)?;
    crate::runtime()?.block_on(async {
        let (node, contacts) =
            network::start(&args.network, &args.manners, &relays, store, &dir, false).await?;
        if let Some(address) = node.listen_addr() {
            report.event(&Event::Listening { address });
        }
        let (transfer, stream) = match output {
            Output::Save(destination) => (node.fetch(target, destination), None),
            Output::Stream(output) => (node.open(target), Some(output)),
        };
        let fetching = Fetching {
            node: node.clone(),
            contacts,
            report,
            entry: None,
            stream: stream.map_or(Stream::None, Stream::Waiting),
            saw_gain: Instant::now(),
            waiting: Waiting::Not,
            seen: VecDeque::new(),
        };
        let result = fetching.run(transfer, args.timeout, args.copies.push).await;
        // The file is durable; the blobs are there to serve it and to resume,
        // and can be fetched again. To wait for them would double the time.
        node.leave().await;
        result
    })
}

struct Fetching<'a> {
    node: Node,
    contacts: Contacts,
    report: &'a Report,
    entry: Option<Arc<FileEntry>>,
    stream: Stream,
    /// When somebody last gave something.
    saw_gain: Instant,
    waiting: Waiting,
    /// Bytes held, at times within [`SPEED_OVER`].
    seen: VecDeque<(Instant, u64)>,
}

/// Whether nobody has anything to give, and whether the user knows.
enum Waiting {
    Not,
    Since(Instant),
    Said,
}

/// The file in order, written by a thread of its own.
enum Stream {
    /// The node writes a file.
    None,
    /// The entry is not known yet.
    Waiting(Box<dyn Write + Send>),
    /// Takes the indexes of chunks in the store.
    Running(
        mpsc::Sender<u32>,
        oneshot::Receiver<Result<(), StreamError>>,
    ),
}

impl Fetching<'_> {
    async fn run(
        mut self,
        mut transfer: Transfer,
        timeout: Option<Duration>,
        push: Option<u8>,
    ) -> Result<(), Failure> {
        let mut stop = signals::stop();
        let mut ticks = tokio::time::interval(self.report.interval());
        loop {
            let done = tokio::select! {
                () = signals::stopped(&mut stop) => return Err(stopped()),
                () = self.contacts.report_next(self.report) => ControlFlow::Continue(()),
                _ = ticks.tick() => {
                    self.on_tick(&transfer, timeout).await?;
                    ControlFlow::Continue(())
                }
                event = transfer.event() => self.on_event(event)?,
                written = self.stream.ended() => {
                    written?;
                    ControlFlow::Break(None)
                }
            };
            if let ControlFlow::Break(path) = done {
                self.report_progress(&transfer).await;
                self.report.event(&Event::Done {
                    path,
                    bytes: self.entry.as_ref().map_or(0, |entry| entry.size()),
                    received_bytes: self.node.received_bytes(),
                });
                let Some(copies) = push else {
                    return Ok(());
                };
                let (contacts, report) = (&mut self.contacts, self.report);
                return copies::make(copies, &mut transfer, contacts, timeout, &mut stop, report)
                    .await;
            }
        }
    }

    /// Breaks with the file's path when it is complete.
    fn on_event(
        &mut self,
        event: Option<TransferEvent>,
    ) -> Result<ControlFlow<Option<PathBuf>>, Failure> {
        match event {
            Some(TransferEvent::Entry(entry)) => {
                self.report.event(&Event::Entry {
                    name: entry.name().to_owned(),
                    size: entry.size(),
                    chunks: entry.chunks().len(),
                });
                self.stream.start(&self.node, &entry);
                self.entry = Some(entry);
                self.saw_gain = Instant::now();
            }
            Some(TransferEvent::Chunk(index)) => {
                self.saw_gain = Instant::now();
                self.stream.held(index);
            }
            Some(TransferEvent::Saved(path)) => return Ok(ControlFlow::Break(Some(path))),
            Some(TransferEvent::Failed(error)) => return Err(error.into()),
            None => return Err(Failure::new(Code::Other, "the node stopped")),
            Some(_) => {}
        }
        Ok(ControlFlow::Continue(()))
    }

    async fn on_tick(
        &mut self,
        transfer: &Transfer,
        timeout: Option<Duration>,
    ) -> Result<(), Failure> {
        let Some(state) = self.report_progress(transfer).await else {
            return Ok(());
        };
        if state != State::Waiting {
            self.waiting = Waiting::Not;
            return Ok(());
        }
        self.report_waiting();
        if let Some(failure) = self.contacts.hopeless() {
            return Err(failure);
        }
        match timeout {
            Some(timeout) if self.saw_gain.elapsed() >= timeout => {
                let message = format!(
                    "nobody who has the file was found in {} seconds; see that a seeder runs and \
                     try again, which goes on from here",
                    timeout.as_secs_f64()
                );
                Err(Failure::new(Code::Unreachable, message))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Once each time, and not while connections are still being made.
    fn report_waiting(&mut self) {
        match self.waiting {
            Waiting::Not => self.waiting = Waiting::Since(Instant::now()),
            Waiting::Since(start) if start.elapsed() >= SAY_WAITING => {
                self.report.event(&Event::Waiting);
                self.waiting = Waiting::Said;
            }
            Waiting::Since(_) | Waiting::Said => {}
        }
    }

    async fn report_progress(&mut self, transfer: &Transfer) -> Option<State> {
        let progress = transfer.progress().await?;
        if progress.chunks > 0 {
            let sources = progress.sources.iter().map(|source| Source {
                peer: source.peer.to_string(),
                path: path_name(source.path),
                pair: source.pair.map(pair_name),
                detour: source.detour.map(|detour| detour.to_string()),
                bytes: source.bytes,
                bytes_per_second: source.rate,
                round_trip_ms: source.round_trip.map(|round_trip| round_trip.0),
                channels: source.channels,
            });
            self.report.event(&Event::Progress(Progress {
                bytes: progress.bytes_held,
                total_bytes: progress.bytes,
                bytes_per_second: self.speed(progress.bytes_held),
                chunks: progress.chunks_held,
                total_chunks: progress.chunks,
                sources: sources.collect(),
            }));
        }
        Some(progress.state)
    }

    fn speed(&mut self, bytes: u64) -> u64 {
        let now = Instant::now();
        self.seen.push_back((now, bytes));
        while self
            .seen
            .front()
            .is_some_and(|(at, _)| now - *at > SPEED_OVER)
        {
            self.seen.pop_front();
        }
        let Some((at, before)) = self.seen.front() else {
            return 0;
        };
        let millis = u64::try_from((now - *at).as_millis()).unwrap_or(u64::MAX);
        bytes.saturating_sub(*before).saturating_mul(1000) / millis.max(1)
    }
}

impl Stream {
    fn start(&mut self, node: &Node, entry: &Arc<FileEntry>) {
        let (indexes, held) = mpsc::channel();
        let (done, ended) = oneshot::channel();
        if let Self::Waiting(output) = std::mem::replace(self, Self::None) {
            let streamer = Streamer::new(node.store().clone(), Arc::clone(entry));
            std::thread::spawn(move || {
                // If nobody waits for the end, the command ended before.
                let _ = done.send(stream(streamer, output, &held));
            });
            *self = Self::Running(indexes, ended);
        }
    }

    fn held(&self, index: u32) {
        if let Self::Running(indexes, _) = self {
            // A thread that ended says why by itself.
            let _ = indexes.send(index);
        }
    }

    async fn ended(&mut self) -> Result<(), Failure> {
        match self {
            Self::None | Self::Waiting(_) => std::future::pending().await,
            Self::Running(_, ended) => match ended.await {
                Ok(result) => Ok(result?),
                Err(_) => Err(Failure::new(Code::Other, "the output's thread ended")),
            },
        }
    }
}

fn stream(
    mut streamer: Streamer,
    mut output: Box<dyn Write + Send>,
    held: &mpsc::Receiver<u32>,
) -> Result<(), StreamError> {
    while let Ok(index) = held.recv() {
        streamer.held(index);
        while let Ok(index) = held.try_recv() {
            streamer.held(index);
        }
        streamer.write_to(&mut output)?;
        if streamer.is_complete() {
            break;
        }
    }
    Ok(())
}

fn stopped() -> Failure {
    let message = "stopped; run the same command again to go on from here";
    Failure::new(Code::Stopped, message)
}
