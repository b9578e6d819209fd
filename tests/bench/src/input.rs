//! The file that is measured with.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

pub const MEBIBYTE: usize = 1 << 20;

/// Writes a file of bytes that nothing can compress or deduplicate.
pub fn file(folder: &Path, mebibytes: usize) -> anyhow::Result<PathBuf> {
    let path = folder.join("input.bin");
    let mut out = BufWriter::new(File::create(&path)?);
    let mut chunk = vec![0; MEBIBYTE];
    for _ in 0..mebibytes {
        getrandom::fill(&mut chunk)?;
        out.write_all(&chunk)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(path)
}
