//! Recipes: what to train, on what, how. A TOML file with four sections, every key checked before anything is loaded.

mod architecture;
mod augment;
mod encoders;
mod error;
mod initialisation;
mod model;
mod read;
mod recurrent;
mod speech;
mod tuning;

pub use architecture::{Architecture, PositionKind};
pub use augment::AugmentRecipe;
pub use error::RecipeError;
pub use initialisation::InitialisationKind;
pub use model::{DataShape, ModelRecipe};

use hearth_model::Precision;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// A whole recipe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// What is trained.
    pub model: ModelRecipe,
    /// What it is trained on.
    #[serde(default)]
    pub data: DataRecipe,
    /// How text becomes tokens.
    #[serde(default)]
    pub tokenizer: TokenizerRecipe,
    /// How it is trained.
    #[serde(default)]
    pub train: TrainRecipe,
    /// What is changed at random in what it is trained on.
    #[serde(default, skip_serializing_if = "AugmentRecipe::is_none")]
    pub augment: AugmentRecipe,
    /// What of it is trained, if not the model itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lora: Option<LoraRecipe>,
}

/// Adapters of low rank are trained in place of the model, but for what `train.thaw` names. What is saved is the model with its
/// adapters added up. Hu et al. 2021 <https://arxiv.org/abs/2106.09685>.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LoraRecipe {
    /// The rank of each adapter.
    pub rank: usize,
    /// Adapters are multiplied by `alpha / rank`.
    pub alpha: f64,
    /// The matrices that are adapted, by names in their paths.
    pub targets: Vec<String>,
}

impl Default for LoraRecipe {
    fn default() -> Self {
        Self {
            rank: 8,
            alpha: 16.0,
            targets: vec!["query".into(), "value".into()],
        }
    }
}

/// Corpora that the program brings along.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EmbeddedCorpus {
    /// Numbers in English words and in French words.
    NumberWords,
    /// Cicero, De finibus bonorum et malorum, book one.
    Cicero,
    /// Words that are tones.
    Tones,
    /// Words of six languages.
    Languages,
    /// Handwritten digits.
    Digits,
}

/// Where the data comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DataRecipe {
    /// Files, plain or gzipped: texts to be joined (gpt); one of tab-separated pairs, or two of parallel lines
    /// (transformer, rnn-seq2seq); one file of transcripts, or a folder of recordings (speech-to-text).
    pub paths: Vec<PathBuf>,
    /// A corpus that needs no file, instead of `paths`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedded: Option<EmbeddedCorpus>,
    /// For `number-words`: the numbers are `0..n_numbers`.
    pub n_numbers: u32,
    /// For `tones`: how many utterances.
    pub n_utterances: usize,
    /// For recordings: samples a second that they are brought to.
    pub sample_rate: u32,
    /// Files to validate on, of the same form; where empty, a part of the data is kept back.
    pub validation_paths: Vec<PathBuf>,
    /// The part kept back: the end of a text, or the pairs whose source sentence hashes into it.
    pub validation_fraction: f64,
    /// Translate from the second side to the first.
    pub swap: bool,
}

impl Default for DataRecipe {
    fn default() -> Self {
        Self {
            paths: Vec::new(),
            embedded: None,
            n_numbers: 10_000,
            n_utterances: 500,
            sample_rate: 16_000,
            validation_paths: Vec::new(),
            validation_fraction: 0.1,
            swap: false,
        }
    }
}

/// How text becomes tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TokenizerKind {
    /// Every character of the training text is a token.
    Characters,
    /// Byte-pair encoding over bytes, trained on the training text.
    Bpe,
    /// Every word of the training texts is a token, in lower case: for texts that are read and never written.
    Words,
    /// A `tokenizer.json`.
    File,
}

/// The tokenizer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenizerRecipe {
    /// Its kind.
    pub kind: TokenizerKind,
    /// For `bpe` and `words`: how many tokens at most.
    pub vocab: usize,
    /// For `file`: where it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

impl Default for TokenizerRecipe {
    fn default() -> Self {
        Self {
            kind: TokenizerKind::Bpe,
            vocab: 4000,
            path: None,
        }
    }
}

/// The optimiser.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerKind {
    /// Adam with decoupled weight decay. Loshchilov and Hutter 2019 <https://arxiv.org/abs/1711.05101>.
    #[serde(rename = "adamw")]
    AdamW,
    /// Adam, weight decay added to the gradient. Kingma and Ba 2015 <https://arxiv.org/abs/1412.6980>.
    Adam,
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Gradients over the root of the mean of their squares. Tieleman and Hinton 2012.
    #[serde(rename = "rmsprop")]
    RmsProp,
    /// Gradients over the root of the sum of their squares. Duchi et al. 2011
    /// <https://jmlr.org/papers/v12/duchi11a.html>.
    #[serde(rename = "adagrad")]
    AdaGrad,
}

/// What the learning rate does after its warm-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScheduleKind {
    /// Stays.
    Constant,
    /// Falls to `min_lr` along half a cosine, at the last step.
    Cosine,
    /// Falls with the square root of the step ("Noam").
    InverseSquareRoot,
    /// Falls to `min_lr` in equal steps, at the last step.
    Linear,
    /// Rises from `lr / 25` along half a cosine in the warm-up, then falls to `min_lr` along another.
    OneCycle,
    /// Stays until validations get no better, then is multiplied by `plateau_factor`, down to `min_lr`.
    Plateau,
}

/// A file of a run's metrics besides `metrics.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LogKind {
    /// `metrics.csv`, a table.
    Csv,
    /// `events.out.tfevents.…`, which TensorBoard reads.
    Tensorboard,
}

/// How a model is trained.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainRecipe {
    /// Updates of the weights.
    pub steps: u64,
    /// Windows or pairs a step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_size: Option<usize>,
    /// Batches a step, one gradient over all of their tokens.
    pub accumulate: u64,
    /// For pairs, instead of `batch_size`: tokens a step at most, padding counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch_tokens: Option<usize>,
    /// The optimiser.
    pub optimizer: OptimizerKind,
    /// The highest learning rate.
    pub lr: f64,
    /// The lowest learning rate, which `cosine`, `linear` and `one-cycle` end with; a tenth of `lr` if not given, of `plateau`
    /// `lr / 1,000` and of `one-cycle` `lr / 250,000`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_lr: Option<f64>,
    /// What the learning rate does after its warm-up.
    pub schedule: ScheduleKind,
    /// Steps in which the learning rate rises to `lr`.
    pub warmup_steps: u64,
    /// For `plateau`: how many validations in a row may be no better before the learning rate falls.
    pub plateau_patience: u64,
    /// For `plateau`: what the learning rate is multiplied by then.
    pub plateau_factor: f64,
    /// The learning rate of a layer over that of the layer above it; below 1, layers near the input learn more slowly. Clark et
    /// al. 2020, §3.2 <https://arxiv.org/abs/2003.10555>.
    pub layer_decay: f64,
    /// Parameters that stay as they are, by names in their paths: `embedding`, `encoder.layers.0`, `*` for any name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<String>,
    /// Exceptions from `freeze`; and what is trained beside adapters.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub thaw: Vec<String>,
    /// The decay of the running mean of the weights that is validated and saved, in place of the weights; 0 for none.
    pub ema: f64,
    /// Weight decay, of matrices only: norms and biases are spared.
    pub weight_decay: f64,
    /// Adam's decay of the first moment.
    pub beta_1: f64,
    /// Adam's decay of the second moment.
    pub beta_2: f64,
    /// The guard against division by zero of all but `sgd`.
    pub epsilon: f64,
    /// The momentum of `sgd`.
    pub momentum: f64,
    /// For `sgd`: look ahead along the velocity.
    pub nesterov: bool,
    /// The decay of the mean of squares of `rmsprop`.
    pub rho: f64,
    /// The longest gradient, over all parameters together; 0 for no limit.
    pub clip_norm: f64,
    /// The share of the target's probability that is spread over the vocabulary.
    pub label_smoothing: f64,
    /// For models of pairs: how often the model reads its own token in place of the target's while it learns.
    pub scheduled_sampling: f64,
    /// For lstm and gru: how many tokens a gradient goes back at most, the state carried on; all of a window if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bptt: Option<usize>,
    /// For speech-to-text: the share of the loss that is the encoder's own, by CTC.
    pub ctc_weight: f64,
    /// Steps between validations; there is one more at the end.
    pub validate_every: u64,
    /// Validations without a better one after which training ends; 0 for no such end.
    pub patience: u64,
    /// Steps between checkpoints; 0 for those between validations. There is one more at the end.
    pub checkpoint_every: u64,
    /// How many checkpoints are kept, the newest ones.
    pub keep_checkpoints: usize,
    /// How many updates in a row may be skipped because a loss or a gradient is not finite; one more ends the run.
    pub max_skipped: u64,
    /// Steps between lines of `metrics.jsonl`.
    pub log_every: u64,
    /// The type of number that products are computed in while the model learns; its weights and what is saved keep single precision.
    pub precision: Precision,
    /// Compute again in the backward pass what is cheap to compute, instead of holding it: less memory, a longer step, the same
    /// gradients.
    pub gradient_checkpointing: bool,
    /// The forms in which the metrics are written down besides.
    pub logs: Vec<LogKind>,
    /// Processes that train the model together, each on a part of every batch: as the command says, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<usize>,
    /// One seed, one run.
    pub seed: u64,
}

impl Default for TrainRecipe {
    fn default() -> Self {
        Self {
            steps: 1000,
            batch_size: None,
            accumulate: 1,
            batch_tokens: None,
            optimizer: OptimizerKind::AdamW,
            lr: 1e-3,
            min_lr: None,
            schedule: ScheduleKind::Cosine,
            warmup_steps: 100,
            plateau_patience: 2,
            plateau_factor: 0.5,
            layer_decay: 1.0,
            freeze: Vec::new(),
            thaw: Vec::new(),
            ema: 0.0,
            weight_decay: 0.1,
            beta_1: 0.9,
            beta_2: 0.99,
            epsilon: 1e-8,
            momentum: 0.9,
            nesterov: false,
            rho: 0.99,
            clip_norm: 1.0,
            label_smoothing: 0.0,
            scheduled_sampling: 0.0,
            bptt: None,
            ctc_weight: 0.0,
            validate_every: 250,
            patience: 0,
            checkpoint_every: 0,
            keep_checkpoints: 3,
            max_skipped: 10,
            log_every: 10,
            precision: Precision::F32,
            gradient_checkpointing: false,
            logs: vec![LogKind::Csv, LogKind::Tensorboard],
            replicas: None,
            seed: 1337,
        }
    }
}

impl TrainRecipe {
    /// The lowest learning rate.
    pub fn min_lr(&self) -> f64 {
        let share = match self.schedule {
            ScheduleKind::OneCycle => 250_000.0,
            ScheduleKind::Plateau => 1_000.0,
            _ => 10.0,
        };
        self.min_lr.unwrap_or(self.lr / share)
    }

    /// Steps between checkpoints.
    pub fn checkpoint_every(&self) -> u64 {
        match self.checkpoint_every {
            0 => self.validate_every,
            every => every,
        }
    }
}
