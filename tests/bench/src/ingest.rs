//! Ingest: in memory against the slower of the two primitives it cannot do
//! without, on the disk against a copy of the file.

use std::hint::black_box;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sha2::{Digest as _, Sha256};

use crate::figure::{Figure, Row};
use crate::input::MEBIBYTE;
use crate::place::{Kind, Place};
use crate::process::{self, Samara};

pub fn measure(samara: &Samara, place: &Place, rounds: usize) -> anyhow::Result<Row> {
    let one = || -> anyhow::Result<_> {
        let bare = match place.kind {
            Kind::Memory => slower_primitive(place.bytes()?)?,
            Kind::Disk => copy(place)?,
        };
        Ok((ours(samara, place)?, bare))
    };
    let (what, baseline, goal) = match place.kind {
        Kind::Memory => (
            "ingest, in memory",
            "the slower of SHA-256 and ChaCha20-Poly1305, one core",
            Some(0.8),
        ),
        Kind::Disk => ("ingest, on the disk", "`cp` and `sync` of the file", None),
    };
    Ok(Row {
        what,
        baseline,
        goal,
        rounds: (0..rounds).map(|_| one()).collect::<Result<_, _>>()?,
    })
}

fn ours(samara: &Samara, place: &Place) -> anyhow::Result<Figure> {
    let store = place.folder()?;
    let mut ingest = samara.command("ingest", &store.path().join("store"));
    ingest.arg("-i").arg(&place.input);
    ingest.arg("-o").arg(store.path().join("entry.json"));
    process::measure(place.bytes()?, None, ingest.stderr(Stdio::null()))
}

fn copy(place: &Place) -> anyhow::Result<Figure> {
    let folder = place.folder()?;
    let mut copy = Command::new("sh");
    copy.args([
        "-c",
        "cp --reflink=never \"$1\" \"$2\" && sync \"$2\"",
        "sh",
    ]);
    copy.arg(&place.input).arg(folder.path().join("copy"));
    process::measure(place.bytes()?, None, &mut copy)
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
