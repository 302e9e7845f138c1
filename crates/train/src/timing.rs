//! How long training steps take: those of a recipe, on random tokens, so that no data is needed.

use crate::error::TrainError;
use crate::group::Group;
use crate::objective::{Objective, Package, Trainable};
use crate::objectives::{
    Classification, LanguageModelling, MaskedModelling, SpeechRecognition, SpeechWeights,
    Translation,
};
use crate::pairs::{pair_loss, pairs_a_batch};
use crate::recipe::{DataShape, Recipe, RecipeError, TokenizerKind};
use crate::run::{Frugal, check_precision, first_model};
use crate::trained::Trained;
use crate::update::Updater;
use burn::module::Module;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{
    BatchSize, ClassBatches, ImageClasses, MaskTokens, MaskedWindows, PairBatches, PairIds,
    PairTokens, SpeechBatches, SpeechIds, Stream, TextClasses, TextWindows, WindowShape,
    derive_seed,
};
use hearth_data::{Frames, TokenId};
use hearth_hub::Model;
use std::time::{Duration, Instant};

/// The vocabulary where the recipe leaves it to the text: that of tinyshakespeare's characters.
const CHARACTERS: usize = 65;

/// What was measured.
#[derive(Debug, Clone)]
pub struct Timing {
    /// Parameters of the model.
    pub n_parameters: usize,
    /// Each step's time, without the batches before the first that counts.
    pub steps: Vec<Duration>,
    /// Target tokens of all those steps together.
    pub n_tokens: usize,
    /// The loss of the last step.
    pub loss: f64,
}

impl Timing {
    /// The median step's time: one that a busy moment of the machine does not move.
    pub fn median(&self) -> Duration {
        let mut sorted = self.steps.clone();
        sorted.sort();
        sorted.get(sorted.len() / 2).copied().unwrap_or_default()
    }

    /// Target tokens a second, by the median step.
    pub fn tokens_per_s(&self) -> f64 {
        let a_step = self.n_tokens as f64 / self.steps.len().max(1) as f64;
        a_step / self.median().as_secs_f64().max(1e-9)
    }
}

/// Times `steps` steps of a recipe after `n_warm_up` that do not count. `observer` hears how many are done.
///
/// - `group`: with whom; rates are of all of them together
///
/// The tokens are random: all of the recipe's shape. A text's windows are as long as the model's positions; pairs and recordings are as
/// long as half of them.
///
/// # Errors
/// If the recipe makes no model, training diverges, or another process is gone.
pub fn time_steps<B: AutodiffBackend>(
    recipe: &Recipe,
    n_warm_up: u64,
    steps: u64,
    group: &dyn Group,
    device: &B::Device,
    observer: &mut dyn FnMut(u64),
) -> Result<Timing, TrainError> {
    check_precision::<B>(recipe, device)?;
    let count = (n_warm_up, steps);
    if recipe.train.gradient_checkpointing {
        return time_at::<Frugal<B>>(recipe, count, (group, device), observer);
    }
    time_at::<B>(recipe, count, (group, device), observer)
}

fn time_at<B: AutodiffBackend>(
    recipe: &Recipe,
    count: (u64, u64),
    (group, device): (&dyn Group, &B::Device),
    observer: &mut dyn FnMut(u64),
) -> Result<Timing, TrainError> {
    let vocab = match recipe.tokenizer.kind {
        TokenizerKind::Characters => CHARACTERS,
        TokenizerKind::Bpe | TokenizerKind::Words | TokenizerKind::File => recipe.tokenizer.vocab,
    };
    let image = hearth_model::ImageSize {
        n_channels: 1,
        height: 28,
        width: 28,
    };
    let shape = DataShape {
        image: Some(image),
        ..DataShape::from(vocab)
    };
    let config = recipe.model.config(shape).map_err(RecipeError::from)?;
    let (seed, label_smoothing) = (recipe.train.seed, recipe.train.label_smoothing);
    let mut random = RandomTokens {
        vocab,
        seed,
        n_drawn: 0,
    };
    let random_error = |source| TrainError::Batch {
        split: "random",
        source,
    };
    let mut windows = || {
        let shape = WindowShape {
            batch: recipe.train.batch_size.unwrap_or(1),
            seq: recipe.model.max_positions,
        };
        let ids = random.draw(1 + 64 * shape.seq);
        TextWindows::new(ids, shape).map_err(random_error)
    };
    match first_model::<B>(recipe, &config, device)? {
        Model::Gpt(model) => {
            let objective = on_text(recipe, windows()?, Model::Gpt, device);
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::RnnLm(model) => {
            let objective = on_text(recipe, windows()?, Model::RnnLm, device);
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::Transformer(model) => {
            let objective = on_pairs(recipe, &mut random, Model::Transformer, device)?;
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::RnnSeq2Seq(model) => {
            let objective = on_pairs(recipe, &mut random, Model::RnnSeq2Seq, device)?;
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::SpeechToText(model) => {
            let n_frames = recipe.model.max_source_positions().saturating_mul(2);
            let size = pairs_a_batch(&recipe.train);
            let n_utterances = match size {
                BatchSize::Pairs(n) => n,
                BatchSize::Tokens(n) => n / n_frames + 1,
            };
            let length = (recipe.model.max_positions / 2).max(2);
            let n_mels = recipe.model.n_mels();
            let utterances = (0..n_utterances)
                .map(|_| SpeechIds {
                    frames: Frames {
                        n_mels,
                        values: random.frames(n_frames * n_mels),
                    },
                    target: random.draw(length),
                })
                .collect();
            let tokens = PairTokens { start: 0, pad: 0 };
            let batches = SpeechBatches::new(utterances, size, tokens).map_err(random_error)?;
            let weights = SpeechWeights {
                label_smoothing,
                ctc: 0.0,
            };
            let validation = batches.clone();
            let objective =
                SpeechRecognition::new(batches, validation, seed, weights, device.clone());
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::Bert(model) if model.guesses_tokens() => {
            let shape = WindowShape {
                batch: recipe.train.batch_size.unwrap_or(1),
                seq: recipe.model.max_positions,
            };
            let tokens = MaskTokens {
                first: 0,
                last: 0,
                mask: 0,
                first_random: 1,
                vocab,
            };
            let ids = random.draw(64 * shape.seq);
            let windows = MaskedWindows::new(ids, shape, tokens).map_err(random_error)?;
            let objective = MaskedModelling {
                training: windows.clone(),
                validation: windows,
                seed,
                label_smoothing,
                device: device.clone(),
            };
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::Bert(model) => {
            let batch = recipe.train.batch_size.unwrap_or(1);
            let length = recipe.model.max_positions;
            let texts = (0..batch)
                .map(|i| (random.draw(length).into(), i % 2))
                .collect();
            let texts = TextClasses::new(texts, batch, 0).map_err(random_error)?;
            let objective = classification(recipe, texts, Model::Bert, device);
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::Vit(model) => {
            let batch = recipe.train.batch_size.unwrap_or(1);
            let image = model.image();
            let shape = [image.n_channels, image.height, image.width];
            let values = random.frames(batch * shape.iter().product::<usize>());
            let labels = (0..batch).map(|i| i % 2).collect();
            let images = ImageClasses::new(values, shape, labels, batch).map_err(random_error)?;
            let objective = classification(recipe, images, Model::Vit, device);
            time(objective, model, recipe, count, (group, device), observer)
        }
        Model::EncoderDecoder(_) => unreachable!("no recipe makes an encoder-decoder over vectors"),
    }
}

/// Next-token prediction on a text that is its own validation.
fn on_text<B: AutodiffBackend, M: Trainable<B>>(
    recipe: &Recipe,
    windows: TextWindows,
    package: Package<B, M>,
    device: &B::Device,
) -> LanguageModelling<B, M> {
    LanguageModelling {
        training: windows.clone(),
        validation: windows,
        seed: recipe.train.seed,
        label_smoothing: recipe.train.label_smoothing,
        bptt: recipe.train.bptt,
        device: device.clone(),
        package,
    }
}

/// Classes of what is its own validation.
fn classification<B: AutodiffBackend, M: Trainable<B>, D: ClassBatches + Clone>(
    recipe: &Recipe,
    data: D,
    package: Package<B, M>,
    device: &B::Device,
) -> Classification<B, M, D> {
    let (seed, smoothing) = (recipe.train.seed, recipe.train.label_smoothing);
    let data = [data.clone(), data];
    Classification::new(data, seed, smoothing, device.clone(), package)
}

/// Next-token prediction on pairs that are their own validation.
fn on_pairs<B: AutodiffBackend, M: Trainable<B>>(
    recipe: &Recipe,
    random: &mut RandomTokens,
    package: Package<B, M>,
    device: &B::Device,
) -> Result<Translation<B, M>, TrainError> {
    let length = (recipe.model.max_positions / 2).max(2);
    let size = pairs_a_batch(&recipe.train);
    let n_pairs = match size {
        BatchSize::Pairs(n) => n,
        BatchSize::Tokens(n) => n / length + 1,
    };
    let pairs = (0..8 * n_pairs)
        .map(|_| PairIds {
            source: random.draw(length).into(),
            target: random.draw(length).into(),
        })
        .collect();
    let tokens = PairTokens { start: 0, pad: 0 };
    let batches = PairBatches::new(pairs, size, tokens).map_err(|source| TrainError::Batch {
        split: "random",
        source,
    })?;
    let (validation, seed) = (batches.clone(), recipe.train.seed);
    let choices = pair_loss(&recipe.train);
    let objective = Translation::new(batches, validation, seed, choices, device.clone(), package);
    Ok(objective)
}

/// Tokens of a text that means nothing.
struct RandomTokens {
    vocab: usize,
    seed: u64,
    n_drawn: u64,
}

impl RandomTokens {
    /// None of them is token 0, which pads.
    fn draw(&mut self, n: usize) -> Vec<TokenId> {
        let others = self.vocab.saturating_sub(1).max(1) as u64;
        let token = |i| 1 + (derive_seed(self.seed, Stream::Data, i) % others) as TokenId;
        let tokens = (self.n_drawn..self.n_drawn + n as u64).map(token).collect();
        self.n_drawn += n as u64;
        tokens
    }

    /// Numbers from -1 to 1.
    fn frames(&mut self, n: usize) -> Vec<f32> {
        let number = |i| {
            let bits = derive_seed(self.seed, Stream::Data, i) >> 40;
            bits as f32 / (1 << 23) as f32 - 1.0
        };
        let numbers = (self.n_drawn..self.n_drawn + n as u64)
            .map(number)
            .collect();
        self.n_drawn += n as u64;
        numbers
    }
}

pub(crate) fn time<B: AutodiffBackend, O: Objective<B>>(
    mut objective: O,
    model: O::Model,
    recipe: &Recipe,
    (n_warm_up, steps): (u64, u64),
    (group, device): (&dyn Group, &B::Device),
    observer: &mut dyn FnMut(u64),
) -> Result<Timing, TrainError> {
    let mut updater = Updater::new(&recipe.train);
    let mut trained = Trained::new(model, recipe, device)?;
    let mut timing = Timing {
        n_parameters: trained.model.num_params(),
        steps: Vec::with_capacity(steps as usize),
        n_tokens: 0,
        loss: f64::NAN,
    };
    for step in 0..n_warm_up + steps {
        let began = Instant::now();
        let update;
        (trained, update) = updater.update(&mut objective, trained, step, group, device)?;
        // A loss that was scaled too much is scaled less the next time.
        if update.is_skipped() && updater.loss_scale.is_none() {
            return Err(TrainError::NotFinite {
                step,
                loss: update.loss,
                gradient_norm: update.gradient_norm,
                lr: update.lr,
            });
        }
        if step >= n_warm_up {
            timing.steps.push(began.elapsed());
            timing.n_tokens += update.n_tokens;
            timing.loss = update.loss;
        }
        observer(step + 1);
    }
    Ok(timing)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timing(milliseconds: &[u64]) -> Timing {
        Timing {
            n_parameters: 1,
            steps: milliseconds
                .iter()
                .map(|&ms| Duration::from_millis(ms))
                .collect(),
            n_tokens: 100 * milliseconds.len(),
            loss: 1.0,
        }
    }

    #[test]
    fn one_slow_step_does_not_move_the_rate() {
        let timing = timing(&[10, 10, 10, 900, 10]);
        assert_eq!(timing.median(), Duration::from_millis(10));
        assert!((timing.tokens_per_s() - 10_000.0).abs() < 1e-6);
    }
}
