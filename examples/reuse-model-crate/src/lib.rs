//! Reusing the model crate: a GPT of hearth's, and all else of one's own, down to the training loop.

use burn::module::AutodiffModule;
use burn::optim::{AdamWConfig, GradientsParams, Optimizer};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, ElementConversion, Int, Tensor, TensorData};
use hearth_model::{Gpt, GptConfig, LanguageModel, StackSize, TokenLoss};

/// What is learnt, letter by letter.
const TEXT: &str = "\
In the harbour of the little town there lay seven boats.
The first boat was red and sailed to the north, where the whales sing.
The second boat was white and sailed to the south, where the sand is warm.
The third boat was green and sailed to the east, where the sun comes up.
The fourth boat was blue and sailed to the west, where the sun goes down.
The fifth boat was old and sailed no more, but it knew all the winds by name.
The sixth boat was new and was afraid of the waves.
The seventh boat was small and sailed after all the others, one by one.
In the evening they came home and told each other what they had seen.
";

/// Letters of a window, and windows of a batch.
const SEQ: usize = 128;
const BATCH: usize = 8;

/// A text as numbers of its letters.
struct Letters {
    /// Each letter once, in order: the number of a letter is its place.
    alphabet: Vec<char>,
    ids: Vec<i64>,
}

impl Letters {
    fn of(text: &str) -> Self {
        let mut alphabet: Vec<char> = text.chars().collect();
        alphabet.sort_unstable();
        alphabet.dedup();
        let mut letters = Self {
            alphabet,
            ids: Vec::new(),
        };
        letters.ids = letters.encode(text);
        letters
    }

    /// The numbers of the letters; a letter that the text has not is left out.
    fn encode(&self, text: &str) -> Vec<i64> {
        let id = |letter| self.alphabet.binary_search(&letter).ok();
        text.chars().filter_map(id).map(|id| id as i64).collect()
    }

    /// What is read and what is to be said behind each letter of it: the same, one letter on. Both are `[batch, seq]`.
    fn batch<B: Backend>(&self, step: usize, device: &B::Device) -> [Tensor<B, 2, Int>; 2] {
        let n_starts = self.ids.len() - SEQ;
        // Leaps of a prime: neighbouring rows and steps read different parts of the text.
        let starts = (0..BATCH).map(|row| (step * BATCH + row) * 101 % n_starts);
        let starts: Vec<usize> = starts.collect();
        [0, 1].map(|shift| {
            let windows = starts.iter().map(|start| start + shift);
            let windows = windows.flat_map(|start| &self.ids[start..start + SEQ]);
            let ids: Vec<i64> = windows.copied().collect();
            Tensor::from_data(TensorData::new(ids, [BATCH, SEQ]), device)
        })
    }
}

/// Trains a small GPT on a short text, then lets it write.
pub fn run<B: AutodiffBackend>(device: &B::Device) {
    let letters = Letters::of(TEXT);
    let (gpt, _) = train::<B>(&letters, 300, device);
    // Without gradients from here on.
    println!("\n{}", write(&gpt.valid(), &letters, "The ", device));
}

/// The trained model, and what a letter of the last batch cost.
fn train<B: AutodiffBackend>(letters: &Letters, steps: usize, device: &B::Device) -> (Gpt<B>, f64) {
    B::seed(device, 1);
    let size = StackSize {
        d_model: 64,
        n_heads: 4,
        n_layers: 2,
    };
    let mut gpt = GptConfig::llama(letters.alphabet.len(), SEQ, size).init::<B>(device);
    let mut optimizer = AdamWConfig::new().with_weight_decay(0.01).init();
    let mut cost = f64::INFINITY;
    for step in 1..=steps {
        let [tokens, targets] = letters.batch::<B>(step, device);
        let loss = TokenLoss::new(gpt.forward(tokens), targets, None, BATCH * SEQ, 0.0).mean();
        cost = loss.clone().into_scalar().elem();
        if step % 50 == 0 {
            println!("step {step}: a letter costs {cost:.3} nats");
        }
        let gradients = GradientsParams::from_grads(loss.backward(), &gpt);
        gpt = optimizer.step(3e-3, gpt, gradients);
    }
    (gpt, cost)
}

/// Goes on behind a prompt until the model's window is full, a letter drawn at a time.
fn write<B: Backend>(gpt: &Gpt<B>, letters: &Letters, prompt: &str, device: &B::Device) -> String {
    use hearth_model::Autoregressive;
    const TEMPERATURE: f64 = 0.5;
    let mut text = prompt.to_owned();
    let mut ids = letters.encode(prompt);
    // What has been read is kept in the state: each step reads one letter.
    let mut state = gpt.start(&[0]);
    for _ in ids.len()..gpt.max_positions() {
        let n_new = ids.len();
        let tokens = Tensor::from_data(TensorData::new(ids, [1, n_new]), device);
        let logits = gpt.predict(tokens, &mut state).div_scalar(TEMPERATURE);
        // The highest of the logits, with Gumbel's noise on them, is a draw from their softmax.
        let uniform = Distribution::Uniform(1e-9, 1.0);
        let noise = Tensor::random(logits.dims(), uniform, device);
        let noise = noise.log().neg().log().neg();
        let id: i64 = (logits + noise).argmax(1).into_scalar().elem();
        text.push(letters.alphabet[id as usize]);
        ids = vec![id];
    }
    text
}

#[cfg(all(test, feature = "ndarray"))]
mod tests {
    use super::*;
    use burn::backend::Autodiff;
    use burn_ndarray::NdArray;

    #[test]
    fn a_few_steps_learn_more_than_how_many_letters_there_are() {
        let (letters, device) = (Letters::of(TEXT), Default::default());
        let (gpt, cost) = train::<Autodiff<NdArray>>(&letters, 30, &device);
        let guess = (letters.alphabet.len() as f64).ln();
        assert!(cost < guess - 0.5, "{cost} of {guess}");
        let text = write(&gpt.valid(), &letters, "The ", &device);
        assert!(text.starts_with("The "));
        assert_eq!(text.chars().count(), SEQ);
    }

    #[test]
    fn targets_are_the_letters_behind_those_that_are_read() {
        let (letters, device) = (Letters::of(TEXT), Default::default());
        let [tokens, targets] = letters.batch::<NdArray>(3, &device);
        let [tokens, targets] = [tokens, targets].map(|ids| {
            let ids: Vec<i64> = ids.into_data().iter::<i64>().collect();
            ids
        });
        for (tokens, targets) in tokens.chunks(SEQ).zip(targets.chunks(SEQ)) {
            assert_eq!(tokens[1..], targets[..SEQ - 1]);
        }
    }
}
