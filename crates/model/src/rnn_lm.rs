//! The recurrent language model. Mikolov et al. 2010 <https://www.fit.vut.cz/research/publication/9362/>, with gated cells.

use crate::autoregressive::{Autoregressive, DecodingState, LanguageModel};
use crate::embedding::{EmbeddingConfig, Head, TokenEmbedding};
use crate::error::ConfigError;
use crate::gpt::same_width;
use crate::initialisation::{Initialisation, materialise};
use crate::positions::PositionEncoding;
use crate::rnn::{CellState, Rnn, RnnConfig, RnnKind};
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig};
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend, s};
use serde::{Deserialize, Serialize};

/// The longest sequence of a model whose state has one size however long a text is: no limit in practice.
pub(crate) const UNBOUNDED: usize = i32::MAX as usize;

/// What an [`RnnLm`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RnnLmConfig {
    /// Tokens; positions are none, since a state is fed them in order.
    pub embedding: EmbeddingConfig,
    /// The layers.
    pub rnn: RnnConfig,
    /// Whether the head shares the token embedding's matrix.
    pub tied: bool,
    /// How weights are drawn.
    pub initialisation: Initialisation,
}

/// The numbers that everything else of a recurrent language model has a default for.
#[derive(Debug, Clone, Copy)]
pub struct RnnSize {
    /// Width of token vectors.
    pub d_embedding: usize,
    /// Width of states.
    pub d_hidden: usize,
    /// Layers.
    pub n_layers: usize,
}

impl RnnLmConfig {
    /// A model of the given size without dropout, its head apart from its embedding.
    pub fn new(kind: RnnKind, vocab: usize, size: RnnSize) -> Self {
        Self {
            embedding: EmbeddingConfig {
                vocab,
                d_model: size.d_embedding,
                max_positions: UNBOUNDED,
                positions: PositionEncoding::None,
                scale: false,
                dropout: 0.0,
            },
            rnn: RnnConfig {
                kind,
                d_input: size.d_embedding,
                d_hidden: size.d_hidden,
                n_layers: size.n_layers,
                two_way: false,
                dropout: 0.0,
            },
            tied: false,
            initialisation: Initialisation::Xavier,
        }
    }

    /// Two layers, 16 wide: for tests and first steps.
    pub fn tiny(kind: RnnKind, vocab: usize) -> Self {
        let size = RnnSize {
            d_embedding: 16,
            d_hidden: 16,
            n_layers: 2,
        };
        Self::new(kind, vocab, size)
    }

    /// Whether a model can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        self.embedding.validate()?;
        self.rnn.validate()?;
        if self.embedding.positions != PositionEncoding::None {
            return Err(ConfigError::Positions);
        }
        if self.rnn.two_way {
            return Err(ConfigError::TwoWay);
        }
        let d_embedding = self.embedding.d_model;
        same_width("rnn.d_input", self.rnn.d_input, d_embedding)?;
        if self.tied {
            same_width("rnn.d_hidden", self.rnn.d_hidden, d_embedding)?;
        }
        Ok(())
    }

    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> RnnLm<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> RnnLm<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let size = [self.embedding.vocab, self.rnn.d_hidden];
        let initialisers = self.initialisation.initialisers(size[1], self.rnn.n_layers);
        RnnLm {
            embedding: self.embedding.init(&initialisers, device),
            rnn: self.rnn.init(&initialisers, device),
            dropout: DropoutConfig::new(self.rnn.dropout).init(),
            head: Head::new(size, self.tied, true, &initialisers, device),
        }
    }
}

/// A recurrent language model.
#[derive(Module, Debug)]
pub struct RnnLm<B: Backend> {
    embedding: TokenEmbedding<B>,
    rnn: Rnn<B>,
    dropout: Dropout,
    head: Head<B>,
}

impl<B: Backend> LanguageModel<B> for RnnLm<B> {
    fn start(&self, n_hidden: &[usize]) -> RnnLmState<B> {
        let device = self.devices().into_iter().next().unwrap_or_default();
        RnnLmState {
            layers: self.rnn.start(n_hidden.len(), &device),
            n_hidden: n_hidden.to_vec(),
            n_past: 0,
            device,
        }
    }

    /// Williams and Peng 1990 <https://doi.org/10.1162/neco.1990.2.4.490>: the state is carried over, the gradient is not.
    fn forward_truncated(&self, tokens: Tensor<B, 2, Int>, n_back: usize) -> Tensor<B, 3> {
        let [batch, seq] = tokens.dims();
        let mut state = self.start(&vec![0; batch]);
        let mut logits = Vec::new();
        for start in (0..seq).step_by(n_back.max(1)) {
            let end = seq.min(start + n_back.max(1));
            let piece = tokens.clone().slice(s![.., start..end]);
            logits.push(self.step(piece, &mut state));
            state = state.detach();
        }
        Tensor::cat(logits, 1)
    }
}

/// What an [`RnnLm`] remembers: of one size however long the past is.
#[derive(Debug, Clone)]
pub struct RnnLmState<B: Backend> {
    layers: Vec<CellState<B>>,
    /// Columns of left padding of each row.
    n_hidden: Vec<usize>,
    n_past: usize,
    device: B::Device,
}

impl<B: Backend> RnnLmState<B> {
    /// The same state, from which no gradient goes back: truncated back-propagation through time. Williams and Peng 1990
    /// <https://doi.org/10.1162/neco.1990.2.4.490>.
    pub fn detach(mut self) -> Self {
        self.layers = self.layers.into_iter().map(CellState::detach).collect();
        self
    }

    /// Which of the next `seq` columns are left padding; none if none are.
    ///
    /// - returns `[batch, seq]`
    fn padding(&self, seq: usize) -> Option<Tensor<B, 2, Bool>> {
        let columns = self.n_past..self.n_past + seq;
        if self.n_hidden.iter().all(|&n| n <= self.n_past) {
            return None;
        }
        let rows = self.n_hidden.iter();
        let hidden: Vec<bool> = rows
            .flat_map(|&n| columns.clone().map(move |column| column < n))
            .collect();
        let data = TensorData::new(hidden, [self.n_hidden.len(), seq]);
        Some(Tensor::from_data(data, &self.device))
    }
}

impl<B: Backend> DecodingState for RnnLmState<B> {
    fn n_past(&self) -> usize {
        self.n_past
    }

    fn reorder(&mut self, rows: &[usize]) {
        let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let ids = Tensor::<B, 1, Int>::from_data(ids.as_slice(), &self.device);
        let layers = std::mem::take(&mut self.layers);
        self.layers = layers.into_iter().map(|layer| layer.select(&ids)).collect();
        self.n_hidden = rows.iter().map(|&row| self.n_hidden[row]).collect();
    }
}

impl<B: Backend> Autoregressive<B> for RnnLm<B> {
    type State = RnnLmState<B>;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut RnnLmState<B>) -> Tensor<B, 3> {
        let [_, seq] = tokens.dims();
        let padding = state.padding(seq);
        let x = self.embedding.forward(tokens, 0, &[0]);
        let (hidden, _) = self.rnn.forward(x, padding.as_ref(), &mut state.layers);
        state.n_past += seq;
        self.dropout.forward(hidden)
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
