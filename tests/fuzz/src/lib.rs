//! What must hold for any bytes a stranger sends.
//!
//! Each [`Target`] is a function that panics when it does not hold. The
//! fuzzer (`cargo xtask fuzz`) looks for such bytes; `tests/replay.rs` gives
//! the same functions the test vectors, the committed corpus and every input
//! that once failed, so that ordinary tests keep what the fuzzer found. Bytes
//! that only pass through, such as a blob's content, are left to other suites.

pub mod entry;
pub mod link;
pub mod machine;
mod memory;
pub mod message;
pub mod signal;
mod vectors;

/// One thing that is fuzzed.
pub struct Target {
    /// Of the fuzzer's program and of the folders with its inputs.
    pub name: &'static str,
    /// Panics where the bytes break something.
    pub check: fn(&[u8]),
    /// Inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// Everything that is fuzzed.
pub const TARGETS: [Target; 6] = [
    Target {
        name: "message",
        check: message::check,
        seeds: vectors::messages,
    },
    Target {
        name: "entry_binary",
        check: entry::check_binary,
        seeds: vectors::binary_entries,
    },
    Target {
        name: "entry_json",
        check: entry::check_json,
        seeds: vectors::json_entries,
    },
    Target {
        name: "link",
        check: link::check,
        seeds: vectors::links,
    },
    Target {
        name: "signal",
        check: signal::check,
        seeds: vectors::signals,
    },
    Target {
        name: "machine",
        check: machine::check,
        seeds: Vec::new,
    },
];
