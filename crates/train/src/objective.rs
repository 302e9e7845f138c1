//! What is minimised: the only view that the trainer has of an architecture and its data.

use burn::module::{AutodiffModule, ModuleDisplay};
use burn::tensor::TensorData;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::Share;
use hearth_hub::Model;
use hearth_model::TokenLoss;

/// A loss over batches of one kind, for one kind of model.
pub trait Objective<B: AutodiffBackend> {
    /// What is trained.
    type Model: Trainable<B>;
    /// What a step trains on.
    type Batch;

    /// The batch of a number, which is that of its step unless a step has several: a function of the seed and the number.
    /// Of it the rows of a share; none if there are none.
    fn batch(&mut self, number: u64, share: Share) -> Option<Self::Batch>;

    /// The loss of a batch.
    fn loss(&self, model: &Self::Model, batch: Self::Batch) -> TokenLoss<B>;

    /// The loss over a share of the validation data, without dropout and without label smoothing.
    fn validate(&self, model: &Inner<B, Self::Model>, share: Share) -> Evaluation;

    /// A hash of all that is trained and validated on.
    fn fingerprint(&self) -> String;

    /// What a batch is made of, by name: to be looked at where its loss is no number.
    fn tensors(&self, batch: Self::Batch) -> Vec<(String, TensorData)>;

    /// The model as what can be saved.
    fn package(&self, model: Inner<B, Self::Model>) -> Model<B::InnerBackend>;
}

/// A module with weights to train.
pub trait Trainable<B: AutodiffBackend>:
    AutodiffModule<B, InnerModule: ModuleDisplay> + ModuleDisplay
{
}

impl<B: AutodiffBackend, M> Trainable<B> for M where
    M: AutodiffModule<B, InnerModule: ModuleDisplay> + ModuleDisplay
{
}

/// A model without gradients.
pub(crate) type Inner<B, M> = <M as AutodiffModule<B>>::InnerModule;

/// A model of some architecture as what can be saved.
pub type Package<B, M> =
    fn(<M as AutodiffModule<B>>::InnerModule) -> Model<<B as AutodiffBackend>::InnerBackend>;

/// The batches that are in a share.
pub(crate) fn own<T>(
    batches: impl IntoIterator<Item = T>,
    share: Share,
) -> impl Iterator<Item = T> {
    let numbered = batches.into_iter().enumerate();
    numbered.filter_map(move |(number, batch)| share.has(number).then_some(batch))
}

/// A loss over a data set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Evaluation {
    /// Negative log-likelihood of all tokens, in nats.
    pub nll: f64,
    /// How many tokens were predicted.
    pub n_tokens: usize,
    /// How many labels were the likeliest, where the model names classes.
    pub n_right: Option<usize>,
}

impl Evaluation {
    /// The mean a token, in nats.
    pub fn loss(&self) -> f64 {
        self.nll / self.n_tokens.max(1) as f64
    }

    /// `exp(loss)`.
    pub fn perplexity(&self) -> f64 {
        self.loss().exp()
    }

    /// The share of labels that were the likeliest.
    pub fn accuracy(&self) -> Option<f64> {
        let n_right = self.n_right?;
        Some(n_right as f64 / self.n_tokens.max(1) as f64)
    }

    pub(crate) fn add(&mut self, nll: f64, n_tokens: usize) {
        self.nll += nll;
        self.n_tokens += n_tokens;
    }
}
