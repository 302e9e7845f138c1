//! From token ids to tensors: the only place that knows shift by one, padding, length buckets and the order of the data.
//!
//! What a step trains on is a function of the seed and the step, never of what ran before: a run that is resumed sees
//! what an uninterrupted one would have seen.
//!
//! ```
//! use burn_flex::Flex;
//! use hearth_batch::{Share, TextWindows, WindowShape};
//!
//! # fn main() -> Result<(), hearth_batch::BatchError> {
//! let windows = TextWindows::new((0..100).collect(), WindowShape { batch: 2, seq: 8 })?;
//! let batch = windows.random::<Flex>(42, 0, Share::WHOLE, &Default::default());
//! let batch = batch.expect("rows");
//! assert_eq!(batch.inputs.dims(), [2, 8]);
//! assert_eq!(batch.n_tokens, 16);
//! # Ok(())
//! # }
//! ```

mod buckets;
mod causal;
mod classes;
mod content;
mod error;
mod masked;
mod noise;
mod padding;
mod pairs;
mod seed;
mod share;
mod speech;

pub use buckets::BatchSize;
pub use causal::{CausalBatch, TextWindows, WindowShape};
pub use classes::{ClassBatch, ClassBatches, ImageClasses, TextClasses};
pub use content::See;
pub use error::BatchError;
pub use masked::{MaskTokens, MaskedBatch, MaskedWindows};
pub use noise::{SpectrogramMasks, TextNoise};
pub use padding::{Padded, pad_left, pad_right};
pub use pairs::{PairBatch, PairBatches, PairIds, PairTokens};
pub use seed::{Stream, derive_seed};
pub use share::Share;
pub use speech::{PaddedFrames, SpeechBatch, SpeechBatches, SpeechIds, pad_frames};
