//! The models that the laws hold for, each listed once: in [`laws!`](crate::subjects::laws).

use crate::support::{self, SPECIAL, VOCAB, go_on, ids, redrawn, row, rows};
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use hearth_data::TokenId;
use hearth_infer::{
    DecodeOptions, Hypothesis, ScoreWindow, TokenSource, generate, score_pairs, score_text,
    translate,
};
use hearth_model::{
    Autoregressive, Gpt, GptConfig, LanguageModel, PositionEncoding, RelativePositions,
    RnnAttentionKind, RnnKind, RnnLm, RnnLmConfig, RnnSeq2Seq, RnnSeq2SeqConfig, StackConfig,
    StackSize, Transformer, TransformerConfig,
};

/// Makes each law a test of each model it holds for, on flex and on ndarray: `stepping::llama::flex::LAW`.
macro_rules! laws {
    (
        every model: $($every:ident),*;
        $(language models: $($language:ident),*;)?
        $(translators: $($translator:ident),*;)?
    ) => {
        laws!(@models [$($every),* $($(, $language)*)?]
            gpt2 sinusoidal alibi llama mistral lstm gru);
        laws!(@models [$($every),* $($(, $translator)*)?]
            transformer rotary_transformer additive multiplicative);
    };
    (@models $laws:tt $($model:ident)*) => {
        $(mod $model {
            crate::subjects::laws!(@backend $model flex burn_flex::Flex, $laws);
            crate::subjects::laws!(@backend $model ndarray burn_ndarray::NdArray, $laws);
        })*
    };
    (@backend $model:ident $name:ident $backend:ty, [$($law:ident),*]) => {
        mod $name {
            $(#[test] fn $law() {
                super::super::$law::<$backend, _>(crate::subjects::$model::<$backend>)
            })*
        }
    };
}
pub(crate) use laws;

/// A model, whatever it reads before it writes.
pub(crate) trait Subject<B: Backend> {
    type Model: Autoregressive<B>;

    fn model(&self) -> &Self::Model;

    /// Before the first token. Where there are sources, row `i` has read that of number `sources[i]`.
    fn start(&self, sources: &[usize]) -> State<B, Self>;

    /// What one full pass predicts.
    ///
    /// - `tokens`: `[batch, seq]`, padded at their ends
    /// - returns `[batch, seq, vocab]`
    fn forward(&self, tokens: Tensor<B, 2, Int>, sources: &[usize]) -> Tensor<B, 3>;

    /// Goes on from each text, or translates it.
    fn write(&self, texts: &[Vec<TokenId>], options: &DecodeOptions) -> Vec<Vec<Hypothesis>>;

    /// The log-probability of each token that was written for a text.
    fn score(&self, text: &[TokenId], written: &[TokenId]) -> Vec<f32>;
}

pub(crate) type State<B, S> = <<S as Subject<B>>::Model as Autoregressive<B>>::State;

/// A model that reads nothing but what it writes.
pub(crate) struct Writer<M>(pub(crate) M);

impl<B: Backend, M: LanguageModel<B>> Subject<B> for Writer<M> {
    type Model = M;

    fn model(&self) -> &M {
        &self.0
    }

    fn start(&self, sources: &[usize]) -> M::State {
        self.0.start(&vec![0; sources.len()])
    }

    fn forward(&self, tokens: Tensor<B, 2, Int>, _: &[usize]) -> Tensor<B, 3> {
        self.0.forward(tokens)
    }

    fn write(&self, texts: &[Vec<TokenId>], options: &DecodeOptions) -> Vec<Vec<Hypothesis>> {
        generate(&self.0, texts, options, &Default::default(), &mut go_on).expect("texts")
    }

    fn score(&self, text: &[TokenId], written: &[TokenId]) -> Vec<f32> {
        let whole = [text, written].concat();
        let window = ScoreWindow {
            context: 32,
            stride: 32,
        };
        let scores = score_text(&self.0, &whole, window, 1, &Default::default());
        scores.expect("scores").log_probs.split_off(text.len() - 1)
    }
}

/// A model that reads a source of tokens. Sources differ in length.
pub(crate) struct Translator<M>(pub(crate) M);

/// Sources as one batch, and which of their columns are padding.
fn sources<B: Backend>(numbers: &[usize]) -> (Tensor<B, 2, Int>, Option<Tensor<B, 2, Bool>>) {
    let texts: Vec<_> = numbers.iter().map(|&n| ids(n as u64, 3 + n)).collect();
    let longest = texts.iter().map(Vec::len).max().unwrap_or(0);
    let hidden: Vec<bool> = texts
        .iter()
        .flat_map(|text| (0..longest).map(|column| column >= text.len()))
        .collect();
    let hidden = TensorData::new(hidden, [texts.len(), longest]);
    let hidden = Tensor::from_data(hidden, &Default::default());
    match texts.as_slice() {
        [alone] => (row(alone), None),
        texts => (rows(texts), Some(hidden)),
    }
}

impl<B: Backend, M: TokenSource<B>> Subject<B> for Translator<M> {
    type Model = M;

    fn model(&self) -> &M {
        &self.0
    }

    fn start(&self, numbers: &[usize]) -> M::State {
        let (source, padding_mask) = sources(numbers);
        self.0.start(source, padding_mask)
    }

    fn forward(&self, tokens: Tensor<B, 2, Int>, numbers: &[usize]) -> Tensor<B, 3> {
        let (source, padding_mask) = sources(numbers);
        self.0.forward(source, padding_mask, tokens)
    }

    fn write(&self, texts: &[Vec<TokenId>], options: &DecodeOptions) -> Vec<Vec<Hypothesis>> {
        let device = Default::default();
        translate(&self.0, texts, SPECIAL, options, &device, &mut go_on).expect("texts")
    }

    fn score(&self, text: &[TokenId], written: &[TokenId]) -> Vec<f32> {
        let pairs = [(text.to_vec(), written.to_vec())];
        let scores = score_pairs(&self.0, &pairs, SPECIAL, &Default::default());
        scores.expect("scores").remove(0).log_probs
    }
}

/// How many positions the queries of [`mistral`] see.
const WINDOW: usize = 3;

pub(crate) fn gpt2<B: Backend>(seed: u64) -> Writer<Gpt<B>> {
    Writer(support::gpt(seed))
}

pub(crate) fn sinusoidal<B: Backend>(seed: u64) -> Writer<Gpt<B>> {
    let mut config = GptConfig::tiny(VOCAB);
    config.embedding.positions = PositionEncoding::Sinusoidal;
    Writer(redrawn(config.init(&Default::default()), seed))
}

pub(crate) fn alibi<B: Backend>(seed: u64) -> Writer<Gpt<B>> {
    let mut config = GptConfig::tiny(VOCAB);
    config.embedding.positions = PositionEncoding::None;
    config.decoder.positions = RelativePositions::Alibi;
    Writer(redrawn(config.init(&Default::default()), seed))
}

/// Rotary positions, norms by length, gates, two heads of queries to one of keys and values.
fn llama_config(window: Option<usize>) -> GptConfig {
    let size = StackSize {
        d_model: 16,
        n_heads: 4,
        n_layers: 2,
    };
    let mut config = GptConfig::llama(VOCAB, 32, size);
    config.decoder.n_kv_heads = Some(2);
    config.decoder.window = window;
    config
}

pub(crate) fn llama<B: Backend>(seed: u64) -> Writer<Gpt<B>> {
    Writer(redrawn(llama_config(None).init(&Default::default()), seed))
}

pub(crate) fn mistral<B: Backend>(seed: u64) -> Writer<Gpt<B>> {
    Writer(redrawn(
        llama_config(Some(WINDOW)).init(&Default::default()),
        seed,
    ))
}

pub(crate) fn lstm<B: Backend>(seed: u64) -> Writer<RnnLm<B>> {
    let config = RnnLmConfig::tiny(RnnKind::Lstm, VOCAB);
    Writer(redrawn(config.init(&Default::default()), seed))
}

pub(crate) fn gru<B: Backend>(seed: u64) -> Writer<RnnLm<B>> {
    let config = RnnLmConfig::tiny(RnnKind::Gru, VOCAB);
    Writer(redrawn(config.init(&Default::default()), seed))
}

pub(crate) fn transformer<B: Backend>(seed: u64) -> Translator<Transformer<B>> {
    Translator(support::transformer(seed))
}

/// An encoder and a decoder that have everything of LLaMA.
pub(crate) fn rotary_transformer<B: Backend>(seed: u64) -> Translator<Transformer<B>> {
    let mut config = TransformerConfig::tiny(VOCAB);
    config.embedding.positions = PositionEncoding::None;
    config.encoder = llama_config(None).decoder;
    config.decoder = StackConfig {
        cross_attention: true,
        ..llama_config(None).decoder
    };
    Translator(redrawn(config.init(&Default::default()), seed))
}

fn seq2seq<B: Backend>(
    kind: RnnKind,
    attention: RnnAttentionKind,
    seed: u64,
) -> Translator<RnnSeq2Seq<B>> {
    let config = RnnSeq2SeqConfig::tiny(kind, attention, VOCAB).two_way();
    Translator(redrawn(config.init(&Default::default()), seed))
}

pub(crate) fn additive<B: Backend>(seed: u64) -> Translator<RnnSeq2Seq<B>> {
    seq2seq(RnnKind::Gru, RnnAttentionKind::Additive, seed)
}

pub(crate) fn multiplicative<B: Backend>(seed: u64) -> Translator<RnnSeq2Seq<B>> {
    seq2seq(RnnKind::Lstm, RnnAttentionKind::Multiplicative, seed)
}
