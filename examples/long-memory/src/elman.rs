//! The plain recurrent network, `h = tanh(W x + U h₋ + b)`: the model that gates were invented against.
//!
//! Elman 1990 <https://doi.org/10.1207/s15516709cog1402_1>. hearth-model has no such cells. By two of its traits this is
//! a language model like any other there, and whatever is written over them takes it.

use hearth::burn;
use hearth::burn::module::{Initializer, Module};
use hearth::burn::nn::{Embedding, EmbeddingConfig, Linear, LinearConfig};
use hearth::burn::tensor::{Int, Tensor, backend::Backend, s};
use hearth::model::{Autoregressive, DecodingState, LanguageModel, materialise};

/// What an [`Elman`] is made from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ElmanConfig {
    pub(crate) vocab: usize,
    /// Width of token vectors and of states.
    pub(crate) d_hidden: usize,
    /// What the weights of the state are beside those of Glorot and Bengio 2010: as many times as large. It is about what
    /// a step multiplies the gradient by on its way back, as long as states are small.
    pub(crate) gain: f64,
}

impl ElmanConfig {
    /// Weights are drawn as those of hearth-model's recurrent networks are: by Glorot and Bengio 2010, biases zero.
    pub(crate) fn init<B: Backend>(&self, device: &B::Device) -> Elman<B> {
        let (vocab, width) = (self.vocab, self.d_hidden);
        let linear = |d_output, gain| {
            let mut linear = LinearConfig::new(width, d_output)
                .with_initializer(Initializer::XavierUniform { gain })
                .init(device);
            linear.bias = Some(Initializer::Zeros.init([d_output], device));
            linear
        };
        let normal = Initializer::Normal {
            mean: 0.0,
            std: (width as f64).powf(-0.5),
        };
        materialise(Elman {
            embedding: EmbeddingConfig::new(vocab, width)
                .with_initializer(normal)
                .init(device),
            input: linear(width, 1.0),
            hidden: linear(width, self.gain),
            head: linear(vocab, 1.0),
        })
    }
}

/// A recurrent language model without gates.
#[derive(Module, Debug)]
pub(crate) struct Elman<B: Backend> {
    embedding: Embedding<B>,
    input: Linear<B>,
    hidden: Linear<B>,
    head: Linear<B>,
}

/// What an [`Elman`] remembers: the state behind the last token.
#[derive(Debug, Clone)]
pub(crate) struct ElmanState<B: Backend> {
    /// `[batch, d_hidden]`
    hidden: Tensor<B, 2>,
    n_past: usize,
}

impl<B: Backend> DecodingState for ElmanState<B> {
    fn n_past(&self) -> usize {
        self.n_past
    }

    fn reorder(&mut self, rows: &[usize]) {
        let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let ids = Tensor::<B, 1, Int>::from_data(ids.as_slice(), &self.hidden.device());
        self.hidden = self.hidden.clone().select(0, ids);
    }
}

impl<B: Backend> Autoregressive<B> for Elman<B> {
    type State = ElmanState<B>;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut ElmanState<B>) -> Tensor<B, 3> {
        let [batch, seq] = tokens.dims();
        let x = self.embedding.forward(tokens);
        let [_, _, width] = x.dims();
        // All positions in one product; only the state's has to wait.
        let inputs = self
            .input
            .forward(x.reshape([batch * seq, width]))
            .reshape([batch, seq, width]);
        let mut outputs = Vec::with_capacity(seq);
        for i in 0..seq {
            let input = inputs
                .clone()
                .slice(s![.., i..i + 1, ..])
                .reshape([batch, width]);
            state.hidden = (input + self.hidden.forward(state.hidden.clone())).tanh();
            outputs.push(state.hidden.clone().unsqueeze_dim::<3>(1));
        }
        state.n_past += seq;
        Tensor::cat(outputs, 1)
    }

    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        self.head.forward(hidden)
    }

    fn vocab(&self) -> usize {
        self.head.weight.dims()[1]
    }

    fn max_positions(&self) -> usize {
        i32::MAX as usize
    }
}

impl<B: Backend> LanguageModel<B> for Elman<B> {
    /// # Panics
    /// If a row has left padding: the network knows of none.
    fn start(&self, n_hidden: &[usize]) -> ElmanState<B> {
        assert!(
            n_hidden.iter().all(|&n| n == 0),
            "left padding of {n_hidden:?} columns"
        );
        let [width, _] = self.hidden.weight.dims();
        ElmanState {
            hidden: Tensor::zeros([n_hidden.len(), width], &self.hidden.weight.device()),
            n_past: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hearth::burn::tensor::Tolerance;

    type TestBackend = hearth::backend::Selected;

    #[test]
    fn stepping_equals_one_full_pass() {
        let device = hearth::backend::device().unwrap();
        let model = ElmanConfig {
            vocab: 5,
            d_hidden: 8,
            gain: 1.0,
        }
        .init::<TestBackend>(&device);
        let tokens =
            Tensor::<TestBackend, 2, Int>::from_ints([[0, 1, 2, 3, 4], [4, 4, 0, 1, 3]], &device);
        let whole = model.forward(tokens.clone());
        let mut state = model.start(&[0, 0]);
        let steps = (0..5).map(|i| model.step(tokens.clone().slice(s![.., i..i + 1]), &mut state));
        let steps = Tensor::cat(steps.collect(), 1);
        assert_eq!(state.n_past(), 5);
        whole
            .into_data()
            .assert_approx_eq::<f32>(&steps.into_data(), Tolerance::absolute(1e-5));
    }
}
