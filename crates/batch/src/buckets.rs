//! Sequences of different lengths as batches of similar ones.

use crate::error::BatchError;
use crate::seed::{Stream, derive_seed};
use rand::SeedableRng;
use rand::rngs::ChaCha8Rng;
use rand::seq::SliceRandom;

/// How large a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchSize {
    /// So many pairs.
    Pairs(usize),
    /// As many pairs as fit when both sides are padded: `pairs * longest side <= tokens`. A pair that alone exceeds the
    /// budget still makes a batch.
    Tokens(usize),
}

/// The lengths of pairs, cut into batches.
///
/// An epoch's order is a function of the seed and the epoch: the pairs are shuffled, cut into pools, sorted by length
/// within a pool, cut into batches, and the batches shuffled. So a batch holds similar lengths and wastes little on
/// padding, but is another one in every epoch.
#[derive(Debug, Clone)]
pub(crate) struct Buckets {
    /// Of both sides; the first is sorted by first.
    lengths: Vec<[usize; 2]>,
    size: BatchSize,
}

/// Pairs in a pool that is sorted by length. Large enough for equal lengths to meet, small enough for variety.
const POOL: usize = 8192;

impl Buckets {
    /// # Errors
    /// If the batch size is zero.
    pub(crate) fn new(lengths: Vec<[usize; 2]>, size: BatchSize) -> Result<Self, BatchError> {
        match size {
            BatchSize::Pairs(0) => Err(BatchError::Zero {
                field: "batch_size",
            }),
            BatchSize::Tokens(0) => Err(BatchError::Zero {
                field: "batch_tokens",
            }),
            _ => Ok(Self { lengths, size }),
        }
    }

    /// The batches of an epoch, as indices. Every pair is in exactly one.
    pub(crate) fn epoch(&self, seed: u64, epoch: u64) -> Vec<Vec<usize>> {
        let mut rng = ChaCha8Rng::seed_from_u64(derive_seed(seed, Stream::Data, epoch));
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        order.shuffle(&mut rng);
        let mut batches: Vec<Vec<usize>> = order
            .chunks_mut(POOL)
            .flat_map(|pool| self.cut(pool))
            .collect();
        batches.shuffle(&mut rng);
        batches
    }

    /// All pairs once, by length.
    pub(crate) fn all(&self) -> Vec<Vec<usize>> {
        self.cut(&mut (0..self.lengths.len()).collect::<Vec<_>>())
    }

    /// Sorts by length and cuts into batches.
    fn cut(&self, indices: &mut [usize]) -> Vec<Vec<usize>> {
        // The index last: equal lengths keep one order whatever the sort does.
        indices.sort_unstable_by_key(|&i| (self.lengths[i], i));
        let mut batches = Vec::new();
        let (mut batch, mut longest) = (Vec::new(), 0);
        for &index in indices.iter() {
            let [one, two] = self.lengths[index];
            let with_pair = longest.max(one).max(two);
            let full = match self.size {
                BatchSize::Pairs(pairs) => batch.len() == pairs,
                BatchSize::Tokens(tokens) => (batch.len() + 1) * with_pair > tokens,
            };
            if full && !batch.is_empty() {
                batches.push(std::mem::take(&mut batch));
                longest = 0;
            }
            longest = longest.max(one).max(two);
            batch.push(index);
        }
        if !batch.is_empty() {
            batches.push(batch);
        }
        batches
    }
}
