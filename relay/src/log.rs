//! The log's form, and what never gets into it.
//!
//! No line of this crate names a topic, a blob, a link or a key, at any level.
//! Libraries below it print what they carry when asked for everything, so they
//! are kept quiet whatever is asked.

use std::io::{self, IsTerminal as _};

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::LogFormat;

/// Libraries that print messages, addresses or topics below this level.
const QUIET: [&str; 5] = [
    "hyper=warn",
    "mainline=error",
    "samara_node=info",
    "tokio_tungstenite=warn",
    "tungstenite=warn",
];

/// Writes the log to standard error, unless the process has one already.
/// `RUST_LOG` says how much; nothing said means `info`.
pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        .from_env_lossy();
    let filter = QUIET.iter().fold(filter, |filter, quiet| {
        filter.add_directive(quiet.parse().expect("the directives are well-formed"))
    });
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(io::stderr);
    // Refused when the process has a log already, which then stays.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().flatten_event(true).try_init(),
    };
}
