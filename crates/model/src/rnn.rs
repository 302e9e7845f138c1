//! Recurrent networks: LSTM and GRU, many layers, one- or two-way, lengths honoured under padding.
//!
//! Hochreiter and Schmidhuber 1997 <https://doi.org/10.1162/neco.1997.9.8.1735> with the forget gate of Gers et al. 2000;
//! Cho et al. 2014 <https://arxiv.org/abs/1406.1078>. The equations are PyTorch's, so that weights are too: two biases, and
//! in the GRU the reset gate behind the product, `n = tanh(W x + b + r · (U h + c))`.

use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::{WeightInitialisers, linear};
use crate::projection::{project, project_rows};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::activation::sigmoid;
use burn::tensor::{Bool, Int, Tensor, backend::Backend, s};
use serde::{Deserialize, Serialize};

/// The kinds of recurrent cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RnnKind {
    /// Long short-term memory: a cell beside the hidden state, and three gates.
    Lstm,
    /// Gated recurrent unit: two gates.
    Gru,
}

impl RnnKind {
    /// How many products of the width of the state a step needs of its input.
    fn n_parts(self) -> usize {
        match self {
            Self::Lstm => 4,
            Self::Gru => 3,
        }
    }
}

/// What an [`Rnn`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RnnConfig {
    /// The cells.
    pub kind: RnnKind,
    /// Width of what is read.
    pub d_input: usize,
    /// Width of a state; of each direction.
    pub d_hidden: usize,
    /// Layers.
    pub n_layers: usize,
    /// Whether a second network reads from the end to the beginning.
    pub two_way: bool,
    /// Dropout between layers.
    pub dropout: f64,
}

impl RnnConfig {
    /// Width of what comes out: both directions side by side.
    pub fn d_output(&self) -> usize {
        if self.two_way {
            2 * self.d_hidden
        } else {
            self.d_hidden
        }
    }

    /// Whether a network can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("d_input", self.d_input)?;
        at_least_one("d_hidden", self.d_hidden)?;
        at_least_one("n_layers", self.n_layers)?;
        rate("dropout", self.dropout)
    }

    pub(crate) fn init<B: Backend>(
        &self,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Rnn<B> {
        let layer = |i: usize| {
            let d_input = if i == 0 {
                self.d_input
            } else {
                self.d_output()
            };
            let direction = || RnnCell::new(self, d_input, initialisers, device);
            RnnLayer {
                forward: direction(),
                backward: self.two_way.then(direction),
            }
        };
        Rnn {
            layers: (0..self.n_layers).map(layer).collect(),
            dropout: DropoutConfig::new(self.dropout).init(),
            d_input: self.d_input,
            d_hidden: self.d_hidden,
            kind: self.kind,
        }
    }
}

/// Recurrent layers, one above the other.
#[derive(Module, Debug)]
pub struct Rnn<B: Backend> {
    layers: Vec<RnnLayer<B>>,
    dropout: Dropout,
    d_input: usize,
    d_hidden: usize,
    #[module(skip)]
    kind: RnnKind,
}

#[derive(Module, Debug)]
struct RnnLayer<B: Backend> {
    forward: RnnCell<B>,
    backward: Option<RnnCell<B>>,
}

/// What one direction of one layer remembers.
#[derive(Debug, Clone)]
pub struct CellState<B: Backend> {
    /// `[batch, d_hidden]`
    pub hidden: Tensor<B, 2>,
    /// `[batch, d_hidden]`; an LSTM's.
    pub cell: Option<Tensor<B, 2>>,
}

impl<B: Backend> CellState<B> {
    /// Row `i` becomes what row `rows[i]` was.
    pub fn select(self, rows: &Tensor<B, 1, Int>) -> Self {
        Self {
            hidden: self.hidden.select(0, rows.clone()),
            cell: self.cell.map(|cell| cell.select(0, rows.clone())),
        }
    }

    /// The same numbers, from which no gradient goes back: where back-propagation through time is cut off.
    pub fn detach(self) -> Self {
        Self {
            hidden: self.hidden.detach(),
            cell: self.cell.map(Tensor::detach),
        }
    }

    /// This where `padding` is true, else `new`.
    fn unless(self, padding: Option<&Tensor<B, 2, Bool>>, new: Self) -> Self {
        let Some(padding) = padding else { return new };
        let choose = |old: Tensor<B, 2>, new: Tensor<B, 2>| {
            let padding = padding.clone().expand(new.dims());
            new.mask_where(padding, old)
        };
        Self {
            hidden: choose(self.hidden, new.hidden),
            cell: self.cell.zip(new.cell).map(|(old, new)| choose(old, new)),
        }
    }
}

impl<B: Backend> Rnn<B> {
    /// Width of what is read.
    pub fn d_input(&self) -> usize {
        self.d_input
    }

    /// Width of a state; of each direction.
    pub fn d_hidden(&self) -> usize {
        self.d_hidden
    }

    /// The state of each layer before anything is read: zeros.
    pub fn start(&self, batch: usize, device: &B::Device) -> Vec<CellState<B>> {
        let zeros = || Tensor::zeros([batch, self.d_hidden], device);
        let zero = || CellState {
            hidden: zeros(),
            cell: (self.kind == RnnKind::Lstm).then(zeros),
        };
        self.layers.iter().map(|_| zero()).collect()
    }

    /// Reads a sequence behind what has been read before. A position of padding changes no state. The second direction, if
    /// there is one, reads the sequence from its end and remembers nothing of earlier ones.
    ///
    /// - `x`: `[batch, seq, d_input]`
    /// - `padding_mask`: `[batch, seq]`
    /// - `state`: of each layer, as [`start`](Self::start) makes them; afterwards behind the last position
    /// - returns `[batch, seq, d_output]`, and the last state of the second direction of each layer
    pub fn forward(
        &self,
        mut x: Tensor<B, 3>,
        padding_mask: Option<&Tensor<B, 2, Bool>>,
        state: &mut [CellState<B>],
    ) -> (Tensor<B, 3>, Vec<CellState<B>>) {
        let [batch, _, _] = x.dims();
        let first = self.start(batch, &x.device());
        let mut backward_states = Vec::new();
        for (i, layer) in self.layers.iter().enumerate() {
            if i > 0 {
                x = self.dropout.forward(x);
            }
            let (kind, input) = (self.kind, x.clone());
            let forward = layer
                .forward
                .read(kind, input, padding_mask, &mut state[i], false);
            x = match &layer.backward {
                Some(cell) => {
                    let mut state = first[i].clone();
                    let backward = cell.read(kind, x, padding_mask, &mut state, true);
                    backward_states.push(state);
                    Tensor::cat(vec![forward, backward], 2)
                }
                None => forward,
            };
        }
        (x, backward_states)
    }
}

/// One direction of one layer: what is multiplied by the input, and what by the state.
#[derive(Module, Debug)]
struct RnnCell<B: Backend> {
    input: Linear<B>,
    hidden: Linear<B>,
}

impl<B: Backend> RnnCell<B> {
    fn new(
        config: &RnnConfig,
        d_input: usize,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let d_output = config.kind.n_parts() * config.d_hidden;
        Self {
            input: linear([d_input, d_output], true, &initialisers.inner, device),
            hidden: linear(
                [config.d_hidden, d_output],
                true,
                &initialisers.inner,
                device,
            ),
        }
    }

    /// - `x`: `[batch, seq, d_input]`
    /// - returns `[batch, seq, d_hidden]`
    fn read(
        &self,
        kind: RnnKind,
        x: Tensor<B, 3>,
        padding_mask: Option<&Tensor<B, 2, Bool>>,
        state: &mut CellState<B>,
        from_the_end: bool,
    ) -> Tensor<B, 3> {
        let [batch, seq, _] = x.dims();
        // All positions in one product; only the state's has to wait.
        let inputs = project(&self.input, x);
        let [_, _, width] = inputs.dims();
        let mut outputs = Vec::with_capacity(seq);
        for i in 0..seq {
            let i = if from_the_end { seq - 1 - i } else { i };
            let input = inputs.clone().slice(s![.., i..i + 1, ..]);
            let input = input.reshape([batch, width]);
            let padding = padding_mask.map(|mask| mask.clone().slice(s![.., i..i + 1]));
            let new = match kind {
                RnnKind::Lstm => self.lstm(input, state),
                RnnKind::Gru => self.gru(input, state),
            };
            *state = state.clone().unless(padding.as_ref(), new);
            outputs.push(state.hidden.clone().unsqueeze_dim::<3>(1));
        }
        if from_the_end {
            outputs.reverse();
        }
        Tensor::cat(outputs, 1)
    }

    /// - `input`: `[batch, 4 d_hidden]`: input gate, forget gate, candidate, output gate
    fn lstm(&self, input: Tensor<B, 2>, state: &CellState<B>) -> CellState<B> {
        let parts = input + project_rows(&self.hidden, state.hidden.clone());
        let part = |n: usize| columns(&parts, n, 4);
        let (admit, forget, release) = (sigmoid(part(0)), sigmoid(part(1)), sigmoid(part(3)));
        let candidate = admit * part(2).tanh();
        let cell = match &state.cell {
            Some(cell) => forget * cell.clone() + candidate,
            None => candidate,
        };
        CellState {
            hidden: release * cell.clone().tanh(),
            cell: Some(cell),
        }
    }

    /// - `input`: `[batch, 3 d_hidden]`: reset gate, update gate, candidate
    fn gru(&self, input: Tensor<B, 2>, state: &CellState<B>) -> CellState<B> {
        let hidden = project_rows(&self.hidden, state.hidden.clone());
        let gate = |n: usize| sigmoid(columns(&input, n, 3) + columns(&hidden, n, 3));
        let candidate = (columns(&input, 2, 3) + gate(0) * columns(&hidden, 2, 3)).tanh();
        // (1 - z) n + z h
        let hidden = candidate.clone() + gate(1) * (state.hidden.clone() - candidate);
        CellState { hidden, cell: None }
    }
}

/// Part `n` of `n_parts` equal ones, side by side.
fn columns<B: Backend>(x: &Tensor<B, 2>, n: usize, n_parts: usize) -> Tensor<B, 2> {
    let [_, width] = x.dims();
    let width = width / n_parts;
    x.clone().slice(s![.., n * width..(n + 1) * width])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Initialisation, TestBackend, materialise};
    use burn::tensor::{Distribution, Tolerance};

    fn rnn(kind: RnnKind, two_way: bool) -> Rnn<TestBackend> {
        let config = RnnConfig {
            kind,
            d_input: 3,
            d_hidden: 4,
            n_layers: 2,
            two_way,
            dropout: 0.0,
        };
        let initialisers = Initialisation::Xavier.initialisers(4, 1);
        materialise(config.init(&initialisers, &Default::default()))
    }

    /// A row that ends in padding, and the same row without: equal outputs, equal states, in both directions.
    #[test]
    fn padding_changes_no_state() {
        let device = Default::default();
        for kind in [RnnKind::Lstm, RnnKind::Gru] {
            let rnn = rnn(kind, true);
            let x = Tensor::random([1, 5, 3], Distribution::Default, &device);
            let mask = Tensor::from_data([[false, false, false, true, true]], &device);
            let (mut padded, mut plain) = (rnn.start(1, &device), rnn.start(1, &device));
            let (found, found_back) = rnn.forward(x.clone(), Some(&mask), &mut padded);
            let (expected, back) = rnn.forward(x.slice(s![.., ..3, ..]), None, &mut plain);
            let same = |a: Tensor<TestBackend, 2>, b: Tensor<TestBackend, 2>| {
                let (a, b) = (a.into_data(), b.into_data());
                a.assert_approx_eq::<f32>(&b, Tolerance::absolute(1e-6));
            };
            let found = found.slice(s![.., ..3, ..]).reshape([3, 8]);
            same(found, expected.reshape([3, 8]));
            let pairs = padded.into_iter().zip(plain);
            for (a, b) in pairs.chain(found_back.into_iter().zip(back)) {
                same(a.hidden, b.hidden);
            }
        }
    }
}
