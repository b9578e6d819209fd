//! Ingest against the slower of the two primitives it cannot do without.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use crate::figure::{Figure, Row};
use crate::input::MEBIBYTE;
use crate::process::{self, Samara};

pub fn measure(samara: &Samara, file: &Path, rounds: usize) -> anyhow::Result<Row> {
    let bytes = file.metadata()?.len();
    let one = || -> anyhow::Result<_> {
        let store = tempfile::tempdir()?;
        let mut ingest = samara.command("ingest", store.path());
        ingest
            .arg("-i")
            .arg(file)
            .arg("-o")
            .arg(store.path().join("entry.json"));
        let ours = process::measure(bytes, None, ingest.stderr(std::process::Stdio::null()))?;
        Ok((ours, slower_primitive(bytes)?))
    };
    Ok(Row {
        what: "ingest",
        baseline: "the slower of SHA-256 and ChaCha20-Poly1305, one core",
        goal: 0.8,
        rounds: (0..rounds).map(|_| one()).collect::<Result<_, _>>()?,
    })
}

/// Both as the product uses them: sha2 and ring.
fn slower_primitive(bytes: u64) -> anyhow::Result<Figure> {
    let mut chunk = vec![0_u8; MEBIBYTE];
    let chunks = bytes / MEBIBYTE as u64;
    let hash = time(chunks, || {
        black_box(Sha256::digest(black_box(&chunk)));
    });
    let key = UnboundKey::new(&CHACHA20_POLY1305, &[1; 32]);
    let key = LessSafeKey::new(key.map_err(|_| anyhow::anyhow!("a key has 32 bytes"))?);
    let seal = time(chunks, || {
        let nonce = Nonce::assume_unique_for_key([0; NONCE_LEN]);
        let tag = key.seal_in_place_separate_tag(nonce, Aad::empty(), &mut chunk);
        black_box(tag.is_ok());
    });
    let wall = hash.max(seal);
    Ok(Figure {
        bytes,
        wall,
        cpu: wall,
    })
}

fn time(times: u64, mut work: impl FnMut()) -> Duration {
    let start = Instant::now();
    for _ in 0..times {
        work();
    }
    start.elapsed()
}
