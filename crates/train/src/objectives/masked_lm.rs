//! What stands under the masks of a text, `-Σ log p(x_i | x with masks)`.

use crate::fingerprint;
use crate::objective::{Evaluation, Objective, own};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Tensor, TensorData};
use hearth_batch::{MaskedBatch, MaskedWindows, Share};
use hearth_hub::Model;
use hearth_model::{Bert, TokenLoss};

/// Guessing masked tokens of windows of text. Devlin et al. 2019, §3.1 <https://arxiv.org/abs/1810.04805>, without its
/// second task, which later work found to be of no use (Liu et al. 2019, §4.2 <https://arxiv.org/abs/1907.11692>).
#[derive(Debug)]
pub struct MaskedModelling<B: AutodiffBackend> {
    /// What is trained on.
    pub training: MaskedWindows,
    /// What is validated on.
    pub validation: MaskedWindows,
    /// The run's seed.
    pub seed: u64,
    /// See [`hearth_model::next_token_loss`].
    pub label_smoothing: f64,
    /// Where tensors live.
    pub device: B::Device,
}

/// The loss of a batch. The head, most of a small model's work, is asked for the chosen tokens alone.
fn loss<B: Backend>(model: &Bert<B>, batch: MaskedBatch<B>, smoothing: f64) -> TokenLoss<B> {
    let hidden = model.encode(batch.inputs, None, None);
    let [n_rows, seq, d_model] = hidden.dims();
    let chosen = hidden
        .reshape([n_rows * seq, d_model])
        .select(0, batch.chosen)
        .unsqueeze();
    let logits: Option<Tensor<B, 3>> = model.token_logits(chosen);
    TokenLoss::new(
        logits.expect("a model that is trained on masks has a head for them"),
        batch.targets,
        Some(batch.filling),
        batch.n_tokens,
        smoothing,
    )
}

impl<B: AutodiffBackend> Objective<B> for MaskedModelling<B> {
    type Model = Bert<B>;
    type Batch = MaskedBatch<B>;

    fn batch(&mut self, number: u64, share: Share) -> Option<MaskedBatch<B>> {
        self.training.random(self.seed, number, share, &self.device)
    }

    fn loss(&self, model: &Bert<B>, batch: MaskedBatch<B>) -> TokenLoss<B> {
        loss(model, batch, self.label_smoothing)
    }

    fn validate(&self, model: &Bert<B::InnerBackend>, share: Share) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for batch in own(self.validation.all::<B::InnerBackend>(&self.device), share) {
            let loss = loss(model, batch, 0.0);
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
            ("chosen".to_owned(), batch.chosen.into_data()),
            ("targets".to_owned(), batch.targets.into_data()),
        ]
    }

    fn package(&self, model: Bert<B::InnerBackend>) -> Model<B::InnerBackend> {
        Model::Bert(model)
    }
}
