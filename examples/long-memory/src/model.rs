//! The models: of about as many parameters each.

use crate::elman::{Elman, ElmanConfig};
use crate::task::VOCAB;
use hearth::burn::module::{Module, ModuleMapper, Param};
use hearth::burn::tensor::backend::Backend;
use hearth::burn::tensor::{Tensor, TensorData};
use hearth::hub::ModulePath;
use hearth::model::{
    Gpt, GptConfig, Initialisation, PositionEncoding, RnnKind, RnnLm, RnnLmConfig, RnnSize,
    StackSize,
};

/// A kind of model, and how it is drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) body: Body,
}

/// What a model is made of.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Body {
    /// Without gates; see [`ElmanConfig::gain`].
    Plain { gain: f64 },
    /// With gates; the bias of an LSTM's forget gate, of which σ is what it keeps of its cell at first.
    Gated { kind: RnnKind, forget: f32 },
    /// With attention.
    Attention,
}

/// Their weights are Glorot and Bengio's but for what their names say. The smaller ones, 1/√3 of them, are what `torch.nn.RNN` draws
/// for a state.
pub(crate) const KINDS: [Kind; 6] = [
    Kind {
        name: "RNN, smaller weights",
        body: Body::Plain { gain: 0.577 },
    },
    Kind {
        name: "RNN",
        body: Body::Plain { gain: 1.0 },
    },
    Kind {
        name: "LSTM",
        body: Body::Gated {
            kind: RnnKind::Lstm,
            forget: 0.0,
        },
    },
    Kind {
        name: "LSTM, forget bias 3",
        body: Body::Gated {
            kind: RnnKind::Lstm,
            forget: 3.0,
        },
    },
    Kind {
        name: "GRU",
        body: Body::Gated {
            kind: RnnKind::Gru,
            forget: 0.0,
        },
    },
    Kind {
        name: "Transformer",
        body: Body::Attention,
    },
];

pub(crate) fn plain<B: Backend>(gain: f64, device: &B::Device) -> Elman<B> {
    ElmanConfig {
        vocab: VOCAB,
        d_hidden: 60,
        gain,
    }
    .init(device)
}

pub(crate) fn gated<B: Backend>(kind: RnnKind, forget: f32, device: &B::Device) -> RnnLm<B> {
    let width = match kind {
        RnnKind::Lstm => 32,
        RnnKind::Gru => 36,
    };
    let size = RnnSize {
        d_embedding: width,
        d_hidden: width,
        n_layers: 1,
    };
    let model = RnnLmConfig::new(kind, VOCAB, size).init(device);
    if kind == RnnKind::Lstm && forget != 0.0 {
        return with_forget_bias(model, forget);
    }
    model
}

pub(crate) fn transformer<B: Backend>(seq: usize, device: &B::Device) -> Gpt<B> {
    let size = StackSize {
        d_model: 26,
        n_heads: 2,
        n_layers: 1,
    };
    let mut config = GptConfig::gpt2(VOCAB, seq, size);
    config.embedding.positions = PositionEncoding::Sinusoidal;
    config.tied = false;
    config.initialisation = Initialisation::Xavier;
    config.init(device)
}

/// An LSTM whose forget gates keep σ(`bias`) of a cell at first, in place of σ(0) = ½.
///
/// Gers et al. 2000; Jozefowicz et al. 2015, §2.2 <https://proceedings.mlr.press/v37/jozefowicz15.html>.
fn with_forget_bias<B: Backend>(model: RnnLm<B>, bias: f32) -> RnnLm<B> {
    model.map(&mut Forgetting {
        path: ModulePath::default(),
        bias,
    })
}

struct Forgetting {
    path: ModulePath,
    bias: f32,
}

impl<B: Backend> ModuleMapper<B> for Forgetting {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if !self.path.join().ends_with("forward.hidden.bias") {
            return param;
        }
        // Input gate, forget gate, candidate, output gate.
        let width = param.val().shape().num_elements() / 4;
        let values = (0..4 * width).map(|i| if i / width == 1 { self.bias } else { 0.0 });
        let data = TensorData::new(values.collect::<Vec<f32>>(), param.val().shape());
        param.map(|bias| Tensor::from_data(data, &bias.device()).require_grad())
    }
}
