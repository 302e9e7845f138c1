//! What is done with a recipe once its data is read and its model is there: to be trained, or only to be measured.

use crate::error::TrainError;
use crate::objective::Objective;
use crate::recipe::Recipe;
use crate::trainer::Card;
use burn::tensor::backend::AutodiffBackend;

/// A recipe's model as it is before the first step, with its data.
pub(crate) struct Ready<'a, B: AutodiffBackend, O: Objective<B>> {
    pub(crate) objective: O,
    pub(crate) model: O::Model,
    pub(crate) card: Card,
    /// What the data is, for people.
    pub(crate) data: String,
    pub(crate) recipe: &'a Recipe,
    pub(crate) device: &'a B::Device,
}

/// What can be done with any model and any data.
pub(crate) trait Work<B: AutodiffBackend> {
    type Output;

    fn on<O: Objective<B>>(self, ready: Ready<'_, B, O>) -> Result<Self::Output, TrainError>;
}
