//! The position-wise feed-forward network of a layer.

use crate::activation::Activation;
use crate::attention::project;
use crate::initialisation::{WeightInitialisers, linear};
use crate::stack::StackConfig;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Tensor, backend::Backend};

/// Position-wise feed-forward network, `down(activation(up(x)))`.
///
/// Vaswani et al. 2017, §3.3 <https://arxiv.org/abs/1706.03762>, with any [`Activation`] and dropout on the hidden values.
#[derive(Module, Debug)]
pub struct FeedForward<B: Backend> {
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
        Self {
            up: linear([config.d_model, config.d_ff], &initialisers.inner, device),
            down: linear(
                [config.d_ff, config.d_model],
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
        let hidden = self.activation.apply(project(&self.up, x));
        project(&self.down, self.dropout.forward(hidden))
    }
}
