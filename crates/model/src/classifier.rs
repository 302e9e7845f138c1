//! From a vector to classes.

use crate::error::{ConfigError, at_least_one, rate};
use crate::initialisation::{WeightInitialisers, linear};
use crate::projection::project_rows;
use burn::module::Module;
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::{Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// A model that names one of several classes.
pub trait Classifier<B: Backend> {
    /// What is read.
    type Input;

    /// Rates each class.
    ///
    /// - returns `[batch, n_classes]`
    ///
    /// # Panics
    /// If the model has no head for classes.
    fn rate_classes(&self, input: Self::Input) -> Tensor<B, 2>;
}

/// What a [`ClassHead`] is made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClassHeadConfig {
    /// Number of classes.
    pub n_classes: usize,
    /// Dropout on the vector.
    pub dropout: f64,
}

impl ClassHeadConfig {
    /// Whether a head can be made from these numbers.
    pub fn validate(&self) -> Result<(), ConfigError> {
        at_least_one("n_classes", self.n_classes)?;
        rate("dropout", self.dropout)
    }

    pub(crate) fn init<B: Backend>(
        &self,
        d_model: usize,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> ClassHead<B> {
        ClassHead {
            dropout: DropoutConfig::new(self.dropout).init(),
            linear: linear([d_model, self.n_classes], true, &initialisers.inner, device),
        }
    }
}

/// One linear layer that rates each class.
#[derive(Module, Debug)]
pub struct ClassHead<B: Backend> {
    dropout: Dropout,
    linear: Linear<B>,
}

impl<B: Backend> ClassHead<B> {
    /// - `vector`: `[batch, d_model]`
    /// - returns `[batch, n_classes]`
    pub fn forward(&self, vector: Tensor<B, 2>) -> Tensor<B, 2> {
        project_rows(&self.linear, self.dropout.forward(vector))
    }

    /// How many classes there are.
    pub fn n_classes(&self) -> usize {
        let [_, n_classes] = self.linear.weight.dims();
        n_classes
    }
}
