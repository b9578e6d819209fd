//! `samara status`: what the store holds.

use std::path::PathBuf;

use indicatif::HumanBytes;
use samara_store::Stats;

use crate::exit::{Code, Failure};
use crate::store;

/// Prints figures on standard output.
pub fn run(json: bool, asked: Option<PathBuf>) -> Result<(), Failure> {
    let dir = store::folder(asked)?;
    // Looking must not make anything.
    let stats = if dir.exists() {
        store::open(Some(dir.clone()), None)?.0.stats()
    } else {
        Stats::default()
    };
    let text = if json {
        let figures = serde_json::json!({
            "store": dir,
            "blobs": stats.blobs,
            "bytes": stats.bytes,
            "pinnedBlobs": stats.pinned_blobs,
            "pinnedBytes": stats.pinned_bytes,
        });
        format!("{figures}\n")
    } else {
        format!(
            "store   {}\nblobs   {}, {}\npinned  {}, {}\n",
            dir.display(),
            stats.blobs,
            HumanBytes(stats.bytes),
            stats.pinned_blobs,
            HumanBytes(stats.pinned_bytes),
        )
    };
    crate::output::print(&text).map_err(|error| {
        Failure::new(
            Code::Other,
            format!("the output cannot be written: {error}"),
        )
    })
}
