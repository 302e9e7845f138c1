//! Next-token prediction on text, `-Σ log p(x_t | x_<t)`.

use crate::fingerprint;
use crate::objective::{Evaluation, Inner, Objective, Package, Trainable, own};
use burn::tensor::backend::AutodiffBackend;
use burn::tensor::{ElementConversion, TensorData};
use hearth_batch::{CausalBatch, Share, TextWindows};
use hearth_hub::Model;
use hearth_model::{LanguageModel, TokenLoss};

/// Next-token prediction on windows of text.
#[derive(Debug, Clone)]
pub struct LanguageModelling<B: AutodiffBackend, M: Trainable<B>> {
    /// What is trained on.
    pub training: TextWindows,
    /// What is validated on.
    pub validation: TextWindows,
    /// The run's seed.
    pub seed: u64,
    /// See [`hearth_model::next_token_loss`].
    pub label_smoothing: f64,
    /// How many tokens a gradient goes back at most: see [`LanguageModel::forward_truncated`]; all if none.
    pub bptt: Option<usize>,
    /// Where tensors live.
    pub device: B::Device,
    /// The model as what can be saved.
    pub package: Package<B, M>,
}

impl<B: AutodiffBackend, M> Objective<B> for LanguageModelling<B, M>
where
    M: Trainable<B> + LanguageModel<B>,
    Inner<B, M>: LanguageModel<B::InnerBackend>,
{
    type Model = M;
    type Batch = CausalBatch<B>;

    fn batch(&mut self, number: u64, share: Share) -> Option<CausalBatch<B>> {
        self.training.random(self.seed, number, share, &self.device)
    }

    fn loss(&self, model: &M, batch: CausalBatch<B>) -> TokenLoss<B> {
        let logits = match self.bptt {
            Some(n_back) => model.forward_truncated(batch.inputs, n_back),
            None => model.forward(batch.inputs),
        };
        TokenLoss::new(
            logits,
            batch.targets,
            None,
            batch.n_tokens,
            self.label_smoothing,
        )
    }

    fn validate(&self, model: &Inner<B, M>, share: Share) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for batch in own(self.validation.all::<B::InnerBackend>(&self.device), share) {
            let logits = model.forward(batch.inputs);
            let loss = TokenLoss::new(logits, batch.targets, None, batch.n_tokens, 0.0);
            evaluation.add(loss.sum.into_scalar().elem(), loss.n_tokens);
        }
        evaluation
    }

    fn fingerprint(&self) -> String {
        fingerprint::of(|see| {
            self.training.content(see);
            self.validation.content(see);
        })
    }

    fn tensors(&self, batch: Self::Batch) -> Vec<(String, TensorData)> {
        vec![
            ("inputs".to_owned(), batch.inputs.into_data()),
            ("targets".to_owned(), batch.targets.into_data()),
        ]
    }

    fn package(&self, model: Inner<B, M>) -> Model<B::InnerBackend> {
        (self.package)(model)
    }
}
