//! Says on standard error how a command gets on: bars on a terminal, lines
//! elsewhere, JSON for scripts.

use std::io::{IsTerminal as _, Write as _, stderr};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use samara_node::{Pair, Path};
use serde::Serialize;

use crate::exit::Failure;

/// What happens, in the words of `--json`.
#[derive(Debug, Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Event {
    /// The file's entry is known.
    Entry {
        name: String,
        size: u64,
        chunks: usize,
    },
    /// Others can connect here.
    Listening { address: SocketAddr },
    /// What opens the file, here and on relays' pages.
    Link { link: String, urls: Vec<String> },
    /// Where a transfer or an ingest is.
    Progress(Progress),
    /// Nobody who has what is missing is connected.
    Waiting,
    /// The connection to a relay or peer changed.
    Connection {
        address: String,
        /// `None` when connected.
        problem: Option<String>,
    },
    /// The DHT names this node, or did not take it.
    Announced {
        /// `None` when announced.
        problem: Option<String>,
    },
    /// The DHT named so many peers.
    LookedUp { found: usize },
    /// Other peers proved that they hold more of a pushed file.
    Pushed {
        proven: u32,
        wanted: u32,
        copies: u8,
        target: u8,
    },
    /// A peer keeps no more of a pushed file.
    PushRefused { reason: String },
    /// A peer broke the protocol and was cut off.
    Misbehaved {
        /// Who, if it had proven that.
        peer: Option<String>,
        what: String,
    },
    /// So many of a file's chunks are in the store.
    Held { chunks: usize, total_chunks: usize },
    /// All of the file is in the store and is served.
    Seeding,
    /// The file is complete.
    Done {
        path: Option<PathBuf>,
        bytes: u64,
        /// Of blobs, from other peers, in this run.
        received_bytes: u64,
    },
    /// The user stopped the command.
    Stopped,
}

/// Where a transfer or an ingest is.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Progress {
    pub bytes: u64,
    pub total_bytes: u64,
    pub bytes_per_second: u64,
    pub chunks: u32,
    pub total_chunks: u32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<Source>,
}

/// A peer that gives.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Source {
    pub peer: String,
    pub path: &'static str,
    /// What a data channel goes through.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pair: Option<&'static str>,
    /// Why by a circuit or a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detour: Option<String>,
    pub bytes: u64,
    pub bytes_per_second: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub round_trip_ms: Option<u64>,
    /// Connections of this kind with it.
    pub channels: usize,
}

/// How a peer is connected, in words of the protocol.
pub const fn path_name(path: Path) -> &'static str {
    match path {
        Path::WebRtc => "webrtc",
        Path::WebSocket => "websocket",
        Path::Circuit => "circuit",
    }
}

/// What a data channel goes through, in the words of `--json`.
pub const fn pair_name(pair: Pair) -> &'static str {
    match pair {
        Pair::Direct => "direct",
        Pair::Turn => "turn",
    }
}

/// The way events are said.
#[derive(Debug)]
pub struct Report(Form);

#[derive(Debug)]
enum Form {
    Bar(Mutex<Option<ProgressBar>>),
    /// With the tenth of the way that was said last.
    Lines(AtomicU64),
    Json,
}

impl Report {
    /// Bars if standard error is a terminal, else lines.
    pub fn new(json: bool) -> Self {
        Self(if json {
            Form::Json
        } else if stderr().is_terminal() {
            Form::Bar(Mutex::new(None))
        } else {
            Form::Lines(AtomicU64::new(0))
        })
    }

    /// How often progress is worth asking for.
    pub const fn interval(&self) -> Duration {
        match self.0 {
            Form::Bar(_) => Duration::from_millis(100),
            Form::Lines(_) | Form::Json => Duration::from_millis(500),
        }
    }

    /// Says an event.
    pub fn event(&self, event: &Event) {
        match (&self.0, event) {
            (Form::Json, event) => {
                let line = serde_json::to_string(event);
                say(&line.expect("an event is made of texts and numbers"));
            }
            (Form::Bar(bar), Event::Progress(progress)) => draw(bar, progress),
            (Form::Lines(last), Event::Progress(progress)) => tell_tenths(last, progress),
            (Form::Bar(bar), event) => {
                let bar = bar.lock().ok().and_then(|mut bar| match event {
                    Event::Done { .. } | Event::Stopped => {
                        bar.take().inspect(ProgressBar::finish_and_clear)
                    }
                    _ => bar.clone(),
                });
                let Some(line) = line(event) else { return };
                match bar {
                    Some(bar) => bar.suspend(|| say(&line)),
                    None => say(&line),
                }
            }
            (Form::Lines(_), event) => {
                if let Some(line) = line(event) {
                    say(&line);
                }
            }
        }
    }

    /// Says why the command failed.
    pub fn failure(&self, failure: &Failure) {
        let Failure { code, message } = failure;
        match &self.0 {
            Form::Json => {
                let event = serde_json::json!({
                    "event": "error", "code": code.number(), "message": message,
                });
                say(&event.to_string());
            }
            Form::Bar(bar) => {
                if let Some(bar) = bar.lock().ok().and_then(|mut bar| bar.take()) {
                    bar.finish_and_clear();
                }
                say(&format!("samara: {message}"));
            }
            Form::Lines(_) => say(&format!("samara: {message}")),
        }
    }
}

/// A line on standard error. If nobody reads it any more, the command goes on.
fn say(line: &str) {
    let _ = writeln!(stderr(), "{line}");
}

fn line(event: &Event) -> Option<String> {
    Some(match event {
        Event::Entry { name, size, .. } => format!("{name}, {}", HumanBytes(*size)),
        Event::Listening { address } => format!("listening on {address}"),
        Event::Link { link, urls } => {
            let mut text = format!("link: {link}");
            for url in urls {
                text.push_str("\nlink: ");
                text.push_str(url);
            }
            text
        }
        Event::Progress(progress) => progress_line(progress),
        Event::Waiting => "waiting for somebody who has the file".to_owned(),
        Event::Connection { address, problem } => match problem {
            None => format!("connected to {address}"),
            Some(problem) => format!("not connected to {address}: {problem}"),
        },
        Event::Announced { problem: None } => "announced in the DHT".to_owned(),
        Event::Announced {
            problem: Some(problem),
        } => format!("not announced: {problem}"),
        Event::Pushed {
            copies: 0,
            proven,
            wanted,
            ..
        } => format!("{proven} of {wanted} copies of its pieces are kept elsewhere"),
        Event::Pushed { copies, target, .. } if copies == target => {
            format!("kept elsewhere, {copies} whole copies: safe to stop")
        }
        Event::Pushed { copies, target, .. } => {
            format!("{copies} of {target} whole copies are kept elsewhere")
        }
        Event::PushRefused { reason } => format!("a peer keeps no more of it: {reason}"),
        Event::Misbehaved { peer, what } => match peer {
            Some(peer) => format!("peer {peer} was cut off: {what}"),
            None => format!("a peer was cut off: {what}"),
        },
        Event::Held {
            chunks,
            total_chunks,
        } if chunks < total_chunks => format!(
            "the store holds {chunks} of the file's {total_chunks} chunks; the rest is fetched \
             first, unless another --store has it"
        ),
        Event::Seeding => "seeding".to_owned(),
        Event::Done {
            path: Some(path), ..
        } => format!("saved {}", path.display()),
        Event::Held { .. } | Event::LookedUp { found: 0 } | Event::Done { path: None, .. } => {
            return None;
        }
        Event::LookedUp { found } => format!("the DHT names {found} peers"),
        Event::Stopped => "stopped".to_owned(),
    })
}

fn progress_line(progress: &Progress) -> String {
    let mut text = format!(
        "{} of {}, {}/s, {} sources",
        HumanBytes(progress.bytes),
        HumanBytes(progress.total_bytes),
        HumanBytes(progress.bytes_per_second),
        progress.sources.len()
    );
    let mut busy: Vec<_> = progress.sources.iter().collect();
    busy.retain(|source| source.bytes_per_second > 0);
    busy.sort_by_key(|source| std::cmp::Reverse(source.bytes_per_second));
    for (source, before) in busy.iter().take(NAMED).zip([": ", ", ", ", "]) {
        let speed = HumanBytes(source.bytes_per_second);
        let peer = source.peer.get(..8).unwrap_or_default();
        let path = source.path;
        let through = match source.pair {
            Some("turn") => " through TURN",
            Some(_) | None => "",
        };
        let speed = speed.to_string();
        for part in [before, peer, " by ", path, through, " ", &speed, "/s"] {
            text.push_str(part);
        }
    }
    text
}

/// Sources named in a line of progress, the fastest first.
const NAMED: usize = 3;

fn tell_tenths(last: &AtomicU64, progress: &Progress) {
    let tenth = progress.bytes.saturating_mul(10) / progress.total_bytes.max(1);
    if last.fetch_max(tenth, Ordering::Relaxed) < tenth {
        say(&progress_line(progress));
    }
}

fn draw(bar: &Mutex<Option<ProgressBar>>, progress: &Progress) {
    let Ok(mut bar) = bar.lock() else { return };
    let bar = bar.get_or_insert_with(|| {
        let style = "{bar:30} {bytes} of {total_bytes} {msg} {eta}";
        let style = ProgressStyle::with_template(style).expect("the template is right");
        ProgressBar::new(progress.total_bytes).with_style(style)
    });
    bar.set_length(progress.total_bytes);
    bar.set_position(progress.bytes);
    let speed = HumanBytes(progress.bytes_per_second);
    bar.set_message(match progress.sources.len() {
        0 => format!("{speed}/s"),
        1 => format!("{speed}/s from 1 source"),
        sources => format!("{speed}/s from {sources} sources"),
    });
}
