//! The file that is measured with.

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};

use chacha20poly1305::aead::{AeadInOut as _, KeyInit as _};
use chacha20poly1305::{ChaCha20Poly1305, Nonce};

pub const MEBIBYTE: usize = 1 << 20;

/// Writes a file of bytes that nothing can compress or deduplicate.
pub fn file(folder: &Path, mebibytes: usize) -> anyhow::Result<PathBuf> {
    let path = folder.join("input.bin");
    let mut out = BufWriter::new(File::create(&path)?);
    let cipher = ChaCha20Poly1305::new(&[1; 32].into());
    for number in 0..mebibytes as u64 {
        let mut nonce = Nonce::default();
        nonce[..8].copy_from_slice(&number.to_be_bytes());
        let mut chunk = vec![0; MEBIBYTE];
        let sealed = cipher.encrypt_inout_detached(&nonce, &[], chunk.as_mut_slice().into());
        sealed.map_err(|_| anyhow::anyhow!("a mebibyte is not too long to encrypt"))?;
        out.write_all(&chunk)?;
    }
    out.into_inner()?.sync_all()?;
    Ok(path)
}
