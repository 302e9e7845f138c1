//! The position-wise feed-forward network of a layer.

use crate::activation::Activation;
use crate::initialisation::{WeightInitialisers, linear};
use crate::projection::{project, project_all};
use crate::stack_config::StackConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Tensor, backend::Backend};

/// Position-wise feed-forward network, `down(activation(up(x)))`, or gated, `down(activation(gate(x)) · up(x))`.
///
/// Vaswani et al. 2017, §3.3 <https://arxiv.org/abs/1706.03762>, with any [`Activation`] and dropout on the hidden values.
/// The gate: Shazeer 2020 <https://arxiv.org/abs/2002.05202>, whose SwiGLU it is with [`Activation::Silu`].
#[derive(Module, Debug)]
pub struct FeedForward<B: Backend> {
    gate: Option<Linear<B>>,
    up: Linear<B>,
    down: Linear<B>,
    dropout: Dropout,
    #[module(skip)]
    activation: Activation,
}

impl<B: Backend> FeedForward<B> {
    pub(crate) fn new(
        config: &StackConfig,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let bias = config.biases.feed_forward;
        let wider = || {
            let size = [config.d_model, config.d_ff];
            linear(size, bias, &initialisers.inner, device)
        };
        Self {
            gate: config.gated.then(wider),
            up: wider(),
            down: linear(
                [config.d_ff, config.d_model],
                bias,
                &initialisers.residual,
                device,
            ),
            dropout: DropoutConfig::new(config.activation_dropout).init(),
            activation: config.activation,
        }
    }

    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn forward(&self, x: Tensor<B, 3>) -> Tensor<B, 3> {
        let hidden = match &self.gate {
            Some(gate) => {
                let [gate, up] = project_all([gate, &self.up], x);
                self.activation.apply(gate) * up
            }
            None => self.activation.apply(project(&self.up, x)),
        };
        project(&self.down, self.dropout.forward(hidden))
    }
}
