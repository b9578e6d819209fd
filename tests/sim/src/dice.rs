//! The one source of chance. Everything a scenario is and everything that
//! happens in it is drawn from a seed, so the seed alone repeats it.

use chacha20::ChaCha8Rng;
use rand_core::{Rng as _, SeedableRng as _};

/// A seeded generator with the questions a scenario asks.
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The dice of a seed, for one purpose: what one purpose draws does not
    /// move what another draws.
    pub fn new(seed: u64, purpose: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        bytes[8..16].copy_from_slice(&purpose.to_be_bytes());
        Self(ChaCha8Rng::from_seed(bytes))
    }

    /// A number below `limit`, or 0 when there is none.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0.next_u64().checked_rem(limit).unwrap_or(0)
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high - low + 1)
    }

    /// True in `permille` of a thousand cases.
    pub fn chance(&mut self, permille: u64) -> bool {
        self.below(1000) < permille
    }

    /// One of the items.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// A position in something so long.
    pub fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).expect("below a length")
    }

    /// Random bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.0.fill_bytes(&mut bytes);
        bytes
    }

    /// The generator itself, for keys and nonces.
    pub fn rng(&mut self) -> &mut ChaCha8Rng {
        &mut self.0
    }
}
