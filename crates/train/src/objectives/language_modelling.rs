//! Next-token prediction on text, `-Σ log p(x_t | x_<t)`.

use crate::objective::{Evaluation, Objective};
use burn::tensor::ElementConversion;
use burn::tensor::backend::AutodiffBackend;
use hearth_batch::{CausalBatch, TextWindows};
use hearth_hub::Model;
use hearth_model::{Gpt, LanguageModel, TokenLoss};

/// Next-token prediction on windows of text.
#[derive(Debug)]
pub struct LanguageModelling<B: AutodiffBackend> {
    /// What is trained on.
    pub training: TextWindows,
    /// What is validated on.
    pub validation: TextWindows,
    /// The run's seed.
    pub seed: u64,
    /// See [`hearth_model::next_token_loss`].
    pub label_smoothing: f64,
    /// Where tensors live.
    pub device: B::Device,
}

impl<B: AutodiffBackend> Objective<B> for LanguageModelling<B> {
    type Model = Gpt<B>;
    type Batch = CausalBatch<B>;

    fn batch(&mut self, step: u64) -> CausalBatch<B> {
        self.training.random(self.seed, step, &self.device)
    }

    fn loss(&self, model: &Gpt<B>, batch: CausalBatch<B>) -> TokenLoss<B> {
        let logits = model.forward(batch.inputs);
        TokenLoss::new(
            logits,
            batch.targets,
            None,
            batch.n_tokens,
            self.label_smoothing,
        )
    }

    fn validate(&self, model: &Gpt<B::InnerBackend>) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for batch in self.validation.all::<B::InnerBackend>(&self.device) {
            let logits = model.forward(batch.inputs);
            let loss = TokenLoss::new(logits, batch.targets, None, batch.n_tokens, 0.0);
            evaluation.add(loss.sum.into_scalar().elem(), loss.n_tokens);
        }
        evaluation
    }

    fn package(&self, model: Gpt<B::InnerBackend>) -> Model<B::InnerBackend> {
        Model::Gpt(model)
    }
}
