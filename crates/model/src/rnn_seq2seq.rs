//! Sequence to sequence by recurrent networks: one reads, one writes. Sutskever et al. 2014
//! <https://arxiv.org/abs/1409.3215>, with attention as Bahdanau et al. 2015 or Luong et al. 2015 have it.

use crate::attention_map::{AttentionSize, CrossAttention};
use crate::autoregressive::{Autoregressive, Conditional, DecodingState};
use crate::embedding::{Head, TokenEmbedding};
use crate::initialisation::{WeightInitialisers, linear, materialise};
use crate::projection::project_rows;
use crate::rnn::{CellState, Rnn, RnnConfig, RnnKind};
use crate::rnn_attention::{RnnAttention, RnnMemory};
use crate::rnn_seq2seq_config::RnnSeq2SeqConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Bool, Int, Tensor, backend::Backend, s};

impl RnnSeq2SeqConfig {
    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> RnnSeq2Seq<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> RnnSeq2Seq<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let (d_hidden, d_source) = (self.decoder.d_hidden, self.encoder.d_output());
        let initialisers = self
            .initialisation
            .initialisers(d_hidden, self.decoder.n_layers);
        let widths = [d_hidden, d_source];
        RnnSeq2Seq {
            source: self.source.init(&initialisers, device),
            encoder: self.encoder.init(&initialisers, device),
            bridge: (d_source != d_hidden)
                .then(|| Bridge::new(&self.decoder, d_source, &initialisers, device)),
            embedding: self.embedding.init(&initialisers, device),
            decoder: self.decoder.init(&initialisers, device),
            attention: RnnAttention::new(self.attention, widths, &initialisers, device),
            dropout: DropoutConfig::new(self.decoder.dropout).init(),
            head: Head::new(
                [self.embedding.vocab, d_hidden],
                self.tied,
                true,
                &initialisers,
                device,
            ),
        }
    }
}

/// A recurrent encoder and a recurrent decoder.
#[derive(Module, Debug)]
pub struct RnnSeq2Seq<B: Backend> {
    source: TokenEmbedding<B>,
    encoder: Rnn<B>,
    bridge: Option<Bridge<B>>,
    embedding: TokenEmbedding<B>,
    decoder: Rnn<B>,
    attention: Option<RnnAttention<B>>,
    dropout: Dropout,
    head: Head<B>,
}

/// From the last states of an encoder to the first of a decoder that is as wide as something else. Bahdanau et al. 2015,
/// appendix A.2.2.
#[derive(Module, Debug)]
struct Bridge<B: Backend> {
    hidden: Vec<Linear<B>>,
    cell: Vec<Linear<B>>,
}

impl<B: Backend> Bridge<B> {
    fn new(
        decoder: &RnnConfig,
        d_source: usize,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let layers = |n| {
            let size = [d_source, decoder.d_hidden];
            let layer = |_| linear(size, true, &initialisers.inner, device);
            (0..n).map(layer).collect()
        };
        let n_cells = match decoder.kind {
            RnnKind::Lstm => decoder.n_layers,
            RnnKind::Gru => 0,
        };
        Self {
            hidden: layers(decoder.n_layers),
            cell: layers(n_cells),
        }
    }

    fn cross(&self, layer: usize, state: CellState<B>) -> CellState<B> {
        CellState {
            hidden: project_rows(&self.hidden[layer], state.hidden).tanh(),
            cell: state.cell.map(|cell| project_rows(&self.cell[layer], cell)),
        }
    }
}

/// What an [`RnnSeq2Seq`] remembers.
#[derive(Debug, Clone)]
pub struct RnnSeq2SeqState<B: Backend> {
    layers: Vec<CellState<B>>,
    memory: Option<RnnMemory<B>>,
    n_past: usize,
    device: B::Device,
}

impl<B: Backend> DecodingState for RnnSeq2SeqState<B> {
    fn n_past(&self) -> usize {
        self.n_past
    }

    fn reorder(&mut self, rows: &[usize]) {
        let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let ids = Tensor::<B, 1, Int>::from_data(ids.as_slice(), &self.device);
        let layers = std::mem::take(&mut self.layers);
        let [n_batch, _] = layers[0].hidden.dims();
        self.layers = layers.into_iter().map(|layer| layer.select(&ids)).collect();
        self.memory = self
            .memory
            .take()
            .map(|memory| memory.select(n_batch, rows));
    }
}

/// Two directions side by side.
fn join<B: Backend>(forward: CellState<B>, backward: CellState<B>) -> CellState<B> {
    let cat = |a, b| Tensor::cat(vec![a, b], 1);
    CellState {
        hidden: cat(forward.hidden, backward.hidden),
        cell: forward.cell.zip(backward.cell).map(|(a, b)| cat(a, b)),
    }
}

impl<B: Backend> Conditional<B> for RnnSeq2Seq<B> {
    /// `[batch, source_seq]`
    type Source = Tensor<B, 2, Int>;

    fn start(
        &self,
        source: Tensor<B, 2, Int>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> RnnSeq2SeqState<B> {
        let ([batch, _], device) = (source.dims(), source.device());
        let x = self.source.forward(source, 0, &[0]);
        let mut layers = self.encoder.start(batch, &device);
        let (encoded, backward) = self.encoder.forward(x, padding_mask.as_ref(), &mut layers);
        if !backward.is_empty() {
            let both = layers.into_iter().zip(backward);
            layers = both
                .map(|(forward, backward)| join(forward, backward))
                .collect();
        }
        if let Some(bridge) = &self.bridge {
            let states = layers.into_iter().enumerate();
            layers = states.map(|(i, state)| bridge.cross(i, state)).collect();
        }
        let memory = self.attention.as_ref();
        RnnSeq2SeqState {
            layers,
            memory: memory.map(|attention| attention.memory(encoded, padding_mask)),
            n_past: 0,
            device,
        }
    }

    fn source_size(&self) -> usize {
        self.source.vocab()
    }
}

impl<B: Backend> RnnSeq2Seq<B> {
    /// Feeds tokens behind those fed before.
    ///
    /// - `tokens`: `[batch, seq]`
    /// - `maps`: where the weights of attention are written down, `[batch, pieces of seq, source_seq]`, if they are
    /// - returns `[batch, seq, d_hidden]`
    fn feed(
        &self,
        tokens: Tensor<B, 2, Int>,
        state: &mut RnnSeq2SeqState<B>,
        mut maps: Option<&mut Vec<Tensor<B, 3>>>,
    ) -> Tensor<B, 3> {
        let [batch, seq] = tokens.dims();
        let x = self.embedding.forward(tokens, 0, &[0]);
        let [_, _, d_embedding] = x.dims();
        let RnnSeq2SeqState { layers, memory, .. } = state;
        let hidden = match (&self.attention, memory) {
            (Some(attention), Some(memory)) if self.decoder.d_input() == d_embedding => {
                let (hidden, _) = self.decoder.forward(x, None, layers);
                let seen = attention.look(hidden.clone(), memory, maps);
                attention.combine(hidden, seen)
            }
            (Some(attention), Some(memory)) => {
                let mut outputs = Vec::with_capacity(seq);
                for i in 0..seq {
                    let top = layers.last().map(|layer| layer.hidden.clone());
                    let top = top.expect("a network has a layer").unsqueeze_dim::<3>(1);
                    let seen = attention.look(top, memory, maps.as_deref_mut());
                    let token = x.clone().slice(s![.., i..i + 1, ..]);
                    let input = Tensor::cat(vec![token, seen.clone()], 2);
                    let (hidden, _) = self.decoder.forward(input, None, layers);
                    outputs.push(attention.combine(hidden, seen));
                }
                match seq {
                    0 => Tensor::zeros([batch, 0, self.decoder.d_hidden()], &state.device),
                    _ => Tensor::cat(outputs, 1),
                }
            }
            _ => self.decoder.forward(x, None, layers).0,
        };
        state.n_past += seq;
        self.dropout.forward(hidden)
    }
}

/// One map, where there is attention: its one layer has one head.
impl<B: Backend> CrossAttention<B> for RnnSeq2Seq<B> {
    fn cross_attention_size(&self) -> AttentionSize {
        AttentionSize {
            n_layers: usize::from(self.attention.is_some()),
            n_heads: 1,
        }
    }

    fn cross_attention(
        &self,
        source: Tensor<B, 2, Int>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Vec<Tensor<B, 4>> {
        let mut maps = Vec::new();
        let mut state = self.start(source, padding_mask);
        self.feed(target, &mut state, Some(&mut maps));
        if maps.is_empty() {
            return Vec::new();
        }
        vec![Tensor::cat(maps, 1).unsqueeze_dim(1)]
    }
}

impl<B: Backend> Autoregressive<B> for RnnSeq2Seq<B> {
    type State = RnnSeq2SeqState<B>;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut RnnSeq2SeqState<B>) -> Tensor<B, 3> {
        self.feed(tokens, state, None)
    }

    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        self.head.forward(hidden, &self.embedding)
    }

    fn vocab(&self) -> usize {
        self.embedding.vocab()
    }

    fn max_positions(&self) -> usize {
        self.embedding.max_positions()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RnnAttentionKind, TestBackend};
    use burn::tensor::{TensorData, Tolerance};

    const KINDS: [RnnAttentionKind; 3] = [
        RnnAttentionKind::None,
        RnnAttentionKind::Additive,
        RnnAttentionKind::Multiplicative,
    ];

    /// Every kind of cell and of attention, read one way and both ways.
    fn models() -> Vec<RnnSeq2Seq<TestBackend>> {
        TestBackend::seed(&Default::default(), 7);
        let mut configs = Vec::new();
        for kind in [RnnKind::Lstm, RnnKind::Gru] {
            for attention in KINDS {
                let config = RnnSeq2SeqConfig::tiny(kind, attention, 11);
                configs.push(config.clone().two_way());
                configs.push(config);
            }
        }
        let init = |config: &RnnSeq2SeqConfig| config.init(&Default::default());
        configs.iter().map(init).collect()
    }

    fn tokens(rows: &[&[i64]]) -> Tensor<TestBackend, 2, Int> {
        let shape = [rows.len(), rows[0].len()];
        Tensor::from_data(TensorData::new(rows.concat(), shape), &Default::default())
    }

    fn assert_near(a: Tensor<TestBackend, 3>, b: Tensor<TestBackend, 3>) {
        let tolerance = Tolerance::absolute(1e-5);
        a.into_data()
            .assert_approx_eq::<f32>(&b.into_data(), tolerance);
    }

    #[test]
    fn stepping_is_one_full_pass_and_no_one_sees_ahead() {
        for model in models() {
            let source = || tokens(&[&[1, 5, 3], &[2, 2, 4]]);
            let target = tokens(&[&[1, 5, 3, 9], &[1, 2, 2, 4]]);
            let whole = model.forward(source(), None, target.clone());
            let mut state = model.start(source(), None);
            let steps = (0..4).map(|i| model.step(target.clone().narrow(1, i, 1), &mut state));
            assert_near(Tensor::cat(steps.collect(), 1), whole.clone());
            let other = tokens(&[&[1, 5, 3, 7], &[1, 2, 2, 8]]);
            let other = model.forward(source(), None, other);
            assert_near(other.slice(s![.., ..3, ..]), whole.slice(s![.., ..3, ..]));
        }
    }

    #[test]
    fn padding_of_a_source_changes_nothing() {
        for model in models() {
            let target = || tokens(&[&[1, 5, 3]]);
            let short = model.forward(tokens(&[&[1, 5, 3]]), None, target());
            let mask = Tensor::from_data([[false, false, false, true, true]], &Default::default());
            let long = model.forward(tokens(&[&[1, 5, 3, 0, 0]]), Some(mask), target());
            assert_near(long, short);
        }
    }

    #[test]
    fn what_was_read_decides_what_is_written() {
        for model in models() {
            let target = || tokens(&[&[1, 5]]);
            let one = model.forward(tokens(&[&[1, 5, 3]]), None, target());
            let other = model.forward(tokens(&[&[4, 5, 3]]), None, target());
            let difference = (one - other).abs().max().into_scalar();
            assert!(difference > 1e-4, "{difference}");
        }
    }
}
