//! Small models with fixed weights, and a model that is a table.

use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::{Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use hearth_infer::{DecodeOptions, Hypothesis, InferError, PairTokens, Strategy, TokenEvent};
use hearth_kernels::{InMemory, install};
use hearth_model::{
    Autoregressive, DecodingState, Gpt, GptConfig, LanguageModel, SpeechToText, SpeechToTextConfig,
    Transformer, TransformerConfig,
};
use rand::rngs::ChaCha8Rng;
use rand::{Rng, SeedableRng};
use std::ops::ControlFlow;

/// Runs each law on flex and on ndarray.
macro_rules! on_both_backends {
    ($($law:ident),* $(,)?) => {
        mod flex {
            $(#[test] fn $law() { super::$law::<burn_flex::Flex>() })*
        }
        mod ndarray {
            $(#[test] fn $law() { super::$law::<burn_ndarray::NdArray>() })*
        }
    };
}
pub(crate) use on_both_backends;

pub(crate) const VOCAB: usize = 11;

pub(crate) const SPECIAL: PairTokens = PairTokens { start: 1, pad: 0 };

/// Uniform in `[-1, 1)`.
pub(crate) fn number(stream: &mut ChaCha8Rng) -> f32 {
    (stream.next_u32() >> 8) as f32 / (1 << 23) as f32 - 1.0
}

/// Weights that depend on a seed only: matrices so large that predictions differ, biases so small that texts differ too.
struct Redraw {
    stream: ChaCha8Rng,
    /// Whether the parameter at hand is a norm's factor.
    is_gain: bool,
}

impl<B: Backend> ModuleMapper<B> for Redraw {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.is_gain = name == "gamma";
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        param.map(|tensor| {
            let (shape, device) = (tensor.shape(), tensor.device());
            let [middle, scale] = match (D, self.is_gain) {
                (_, true) => [1.0, 0.5],
                (1, false) => [0.0, 0.1],
                _ => [0.0, 1.0],
            };
            let values =
                (0..shape.num_elements()).map(|_| middle + scale * number(&mut self.stream));
            let values: Vec<f32> = values.collect();
            Tensor::from_data(TensorData::new(values, shape), &device)
        })
    }
}

struct OnFlex;

hearth_kernels::read_flex!(OnFlex);

/// The same model with the weights that belong to a seed. On flex it has kernels, on ndarray Burn's operations, so that the
/// laws hold for both.
pub(crate) fn redrawn<B: Backend, M: Module<B>>(model: M, seed: u64) -> M {
    install::<InMemory<OnFlex>>();
    model.map(&mut Redraw {
        stream: ChaCha8Rng::seed_from_u64(seed),
        is_gain: false,
    })
}

pub(crate) fn gpt<B: Backend>(seed: u64) -> Gpt<B> {
    redrawn(GptConfig::tiny(VOCAB).init(&Default::default()), seed)
}

pub(crate) fn transformer<B: Backend>(seed: u64) -> Transformer<B> {
    let config = TransformerConfig::tiny(VOCAB);
    redrawn(config.init(&Default::default()), seed)
}

pub(crate) fn speech<B: Backend>(seed: u64) -> SpeechToText<B> {
    let config = SpeechToTextConfig {
        ctc: true,
        ..SpeechToTextConfig::tiny(VOCAB)
    };
    redrawn(config.init(&Default::default()), seed)
}

/// - returns `[1, n_frames, n_mels]` for [`speech`]
pub(crate) fn frames<B: Backend>(seed: u64, n_frames: usize) -> Tensor<B, 3> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    let values: Vec<f32> = (0..8 * n_frames).map(|_| number(&mut stream)).collect();
    Tensor::from_data(
        TensorData::new(values, [1, n_frames, 8]),
        &Default::default(),
    )
}

/// - returns `[1, seq]`
pub(crate) fn row<B: Backend>(ids: &[TokenId]) -> Tensor<B, 2, Int> {
    let ids: Vec<i64> = ids.iter().map(|&id| i64::from(id)).collect();
    let shape = [1, ids.len()];
    Tensor::from_data(TensorData::new(ids, shape), &Default::default())
}

/// Rows of any lengths, padded at their ends.
///
/// - returns `[batch, seq]`
pub(crate) fn rows<B: Backend>(texts: &[Vec<TokenId>]) -> Tensor<B, 2, Int> {
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
    let padded = texts.iter().map(|text| {
        let mut text = text.clone();
        text.resize(longest, SPECIAL.pad);
        row(&text)
    });
    Tensor::cat(padded.collect(), 0)
}

pub(crate) fn ids(seed: u64, n: usize) -> Vec<TokenId> {
    let mut stream = ChaCha8Rng::seed_from_u64(seed);
    (0..n).map(|_| stream.next_u32() % VOCAB as u32).collect()
}

pub(crate) fn floats<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    tensor.into_data().iter().collect()
}

#[track_caller]
pub(crate) fn assert_close(found: &[f32], expected: &[f32]) {
    assert_eq!(found.len(), expected.len());
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let near = (found - expected).abs() <= 1e-4 * (1.0 + expected.abs());
        assert!(near, "entry {i}: {found}, expected {expected}");
    }
}

#[track_caller]
pub(crate) fn assert_same(found: &[Hypothesis], expected: &[Hypothesis]) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found.ids, expected.ids);
        assert_eq!(found.finish, expected.finish);
        assert_close(&found.log_probs, &expected.log_probs);
        assert_close(&[found.score as f32], &[expected.score as f32]);
    }
}

pub(crate) fn options(strategy: Strategy, max_new_tokens: usize, eos: &[TokenId]) -> DecodeOptions {
    DecodeOptions {
        eos: eos.to_vec(),
        ..DecodeOptions::new(strategy, max_new_tokens)
    }
}

pub(crate) fn go_on(_: TokenEvent) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// A prediction that depends on the last two tokens by a table.
pub(crate) struct Markov<B: Backend> {
    /// `[vocab * vocab, vocab]`
    table: Tensor<B, 2>,
    vocab: usize,
}

/// The last token of each row.
#[derive(Debug, Clone)]
pub(crate) struct MarkovState {
    last: Vec<i64>,
    n_past: usize,
}

impl<B: Backend> Markov<B> {
    pub(crate) fn new(vocab: usize, logit: impl FnMut(usize) -> f32) -> Self {
        let logits: Vec<f32> = (0..vocab * vocab * vocab).map(logit).collect();
        let logits = TensorData::new(logits, [vocab * vocab, vocab]);
        Self {
            table: Tensor::from_data(logits, &Default::default()),
            vocab,
        }
    }

    pub(crate) fn random(vocab: usize, seed: u64) -> Self {
        let mut stream = ChaCha8Rng::seed_from_u64(seed);
        Self::new(vocab, |_| 2.0 * number(&mut stream))
    }

    /// Writes behind one prompt.
    pub(crate) fn write(
        &self,
        prompt: &[TokenId],
        options: &DecodeOptions,
    ) -> Result<Vec<Hypothesis>, InferError> {
        let prompts = hearth_infer::Prompts::new(row(prompt));
        let texts = hearth_infer::decode(self, self.start(&[0]), prompts, options, &mut go_on)?;
        Ok(texts.into_iter().flatten().collect())
    }
}

impl<B: Backend> LanguageModel<B> for Markov<B> {
    fn start(&self, n_hidden: &[usize]) -> MarkovState {
        assert!(n_hidden.iter().all(|&n| n == 0), "no padding here");
        MarkovState {
            last: vec![0; n_hidden.len()],
            n_past: 0,
        }
    }
}

impl DecodingState for MarkovState {
    fn n_past(&self) -> usize {
        self.n_past
    }

    fn reorder(&mut self, rows: &[usize]) {
        self.last = rows.iter().map(|&row| self.last[row]).collect();
    }
}

impl<B: Backend> Autoregressive<B> for Markov<B> {
    type State = MarkovState;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut MarkovState) -> Tensor<B, 3> {
        let [batch, seq] = tokens.dims();
        assert_eq!(batch, state.last.len());
        let device = tokens.device();
        let ids: Vec<i64> = tokens.into_data().iter().collect();
        let mut entries = Vec::new();
        for (ids, last) in ids.chunks(seq).zip(&mut state.last) {
            for &id in ids {
                entries.push(*last * self.vocab as i64 + id);
                *last = id;
            }
        }
        state.n_past += seq;
        let entries = Tensor::from_data(TensorData::new(entries, [batch * seq]), &device);
        let rows = self.table.clone().select(0, entries);
        rows.reshape([batch, seq, self.vocab])
    }

    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        hidden
    }

    fn vocab(&self) -> usize {
        self.vocab
    }

    fn max_positions(&self) -> usize {
        64
    }
}
