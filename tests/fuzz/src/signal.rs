//! Signals: only a holder of the link can seal what opens, and even such a
//! one may put anything inside.

use chacha20::ChaCha20Rng;
use rand_core::SeedableRng as _;
use samara_core::{BlobKey, SignalKey};

use crate::machine;
use crate::memory::bounded;

const CONTEXT: &[u8] = b"from one member to another";
/// The opened signal is a copy.
const FACTOR: usize = 1;

/// The bytes as a stranger's signal, and as what is in a link holder's.
pub fn check(bytes: &[u8]) {
    let key = SignalKey::of(&BlobKey::from_bytes([1; 32]));
    let opened = bounded(bytes.len(), FACTOR, 0, || key.open(CONTEXT, bytes));
    assert!(opened.is_err(), "opened without having been sealed");

    let mut rng = ChaCha20Rng::from_seed([2; 32]);
    let mut sealed = key.seal(&mut rng, CONTEXT, bytes);
    let opened = key.open(CONTEXT, &sealed);
    assert_eq!(opened.as_deref(), Ok(bytes));
    let at = bytes.iter().map(|byte| usize::from(*byte)).sum::<usize>() % sealed.len();
    sealed[at] ^= 1;
    assert!(
        key.open(CONTEXT, &sealed).is_err(),
        "opened although damaged"
    );

    machine::whisper(bytes);
}
