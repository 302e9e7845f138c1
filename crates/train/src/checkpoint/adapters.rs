//! The adapters of a checkpoint, beside the model that they are added up with.

use super::weights::{Weights, with_weights};
use crate::objective::Trainable;
use crate::trained::{Adapter, Trained};
use burn::module::Param;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorData};
use hearth_hub::{HubError, Model, Parameter, ParameterFile, ParameterValues, write_parameters};
use std::path::Path;

/// How far a matrix may be from its sum with an adapter: what another backend rounds otherwise.
const ROUNDING: f64 = 1e-4;

impl<B: AutodiffBackend, M: Trainable<B>> Trained<B, M> {
    /// Writes the adapters, if there are any.
    pub(crate) fn write_adapters(&self, path: &Path) -> Result<(), HubError> {
        if self.adapters.is_empty() {
            return Ok(());
        }
        let halves = self.adapters.iter().flat_map(Adapter::halves);
        let values = |(parameter, half): (Parameter, &Param<Tensor<B, 2>>)| {
            let half = half.val().inner();
            ParameterValues {
                parameter,
                fetch: Box::new(move || half.into_data().iter::<f32>().collect()),
            }
        };
        write_parameters(path, halves.map(values).collect())
    }

    /// The same as a checkpoint left it.
    ///
    /// - `weights`: of the model, with the adapters added up
    /// - `path`: of the adapters
    ///
    /// # Errors
    /// If the adapters are not those of this model.
    pub(crate) fn resumed(
        mut self,
        weights: &Model<B::InnerBackend>,
        path: &Path,
    ) -> Result<Option<Self>, HubError> {
        let mut weights = Weights::of(weights);
        let sums: Vec<_> = self
            .adapters
            .iter()
            .map(|one| weights.take(&one.path))
            .collect();
        self.model = with_weights::<B, _>(self.model, weights);
        if self.adapters.is_empty() {
            return Ok(Some(self));
        }
        let halves = self.adapters.iter().flat_map(Adapter::halves);
        let expected: Vec<_> = halves.map(|(parameter, _)| parameter).collect();
        let mut file = ParameterFile::open(path, &expected)?;
        for adapter in &mut self.adapters {
            let [down, up] = adapter.halves().map(|(parameter, half)| {
                // What is asked for is what was expected.
                let values = file.read(&parameter.path).unwrap_or(Ok(Vec::new()))?;
                let data = TensorData::new(values, parameter.shape);
                Ok(Param::initialized(
                    half.id,
                    Tensor::from_data(data, &half.lazy_device()).require_grad(),
                ))
            });
            (adapter.down, adapter.up) = (down?, up?);
        }
        let mut adapted = Weights::of_module::<B, _>(&self.adapted());
        let is_same = |(adapter, sum): (&Adapter<B>, &Option<Tensor<B::InnerBackend, 2>>)| {
            let found: Option<Tensor<B::InnerBackend, 2>> = adapted.take(&adapter.path);
            let Some((found, sum)) = found.zip(sum.clone()) else {
                return false;
            };
            let size: f64 = sum.clone().abs().max().into_scalar().elem();
            let apart: f64 = (found - sum).abs().max().into_scalar().elem();
            apart <= ROUNDING * size
        };
        let is_same = self.adapters.iter().zip(&sums).all(is_same);
        Ok(is_same.then_some(self))
    }
}

impl<B: Backend> Adapter<B> {
    /// What it is made of, by name.
    fn halves(&self) -> [(Parameter, &Param<Tensor<B, 2>>); 2] {
        [("down", &self.down), ("up", &self.up)].map(|(name, half)| {
            let parameter = Parameter {
                path: format!("{}.{name}", self.path),
                shape: half.lazy_shape().to_vec(),
            };
            (parameter, half)
        })
    }
}
