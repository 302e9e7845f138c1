//! Next-token prediction of a target given a source, `-Σ log p(y_t | y_<t, x)`.

use super::epochs::Epochs;
use crate::fingerprint;
use crate::objective::{Evaluation, Inner, Objective, Package, Trainable, own};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, TensorData};
use burn::tensor::{Int, Tensor};
use hearth_batch::{PairBatch, PairBatches, Share, Stream, derive_seed};
use hearth_hub::Model;
use hearth_model::{Conditional, TokenLoss};

/// Next-token prediction on sentence pairs.
#[derive(Debug)]
pub struct Translation<B: AutodiffBackend, M: Trainable<B>> {
    training: PairBatches,
    validation: PairBatches,
    seed: u64,
    choices: PairLoss,
    device: B::Device,
    package: Package<B, M>,
    epochs: Epochs,
}

/// How the loss of a pair is taken.
#[derive(Debug, Clone, Copy, Default)]
pub struct PairLoss {
    /// See [`hearth_model::next_token_loss`].
    pub label_smoothing: f64,
    /// How often the model reads its own token in place of the target's: see [`Conditional::forward_sampled`].
    pub scheduled_sampling: f64,
}

impl<B: AutodiffBackend, M: Trainable<B>> Translation<B, M> {
    /// What is trained and validated on, and as what the model is saved.
    pub fn new(
        training: PairBatches,
        validation: PairBatches,
        seed: u64,
        choices: PairLoss,
        device: B::Device,
        package: Package<B, M>,
    ) -> Self {
        let epochs = Epochs::new(|number| training.epoch(seed, number));
        Self {
            training,
            validation,
            seed,
            choices,
            device,
            package,
            epochs,
        }
    }
}

/// The loss of a batch.
fn loss<B: Backend, M: Conditional<B, Source = Tensor<B, 2, Int>>>(
    model: &M,
    batch: PairBatch<B>,
    choices: PairLoss,
) -> TokenLoss<B> {
    let (source, padding, inputs) = (batch.source, batch.source_padding, batch.inputs);
    let sampling = choices.scheduled_sampling;
    let logits = if sampling > 0.0 {
        model.forward_sampled(source, padding, inputs, sampling)
    } else {
        model.forward(source, padding, inputs)
    };
    TokenLoss::new(
        logits,
        batch.targets,
        batch.target_padding,
        batch.n_tokens,
        choices.label_smoothing,
    )
}

impl<B: AutodiffBackend, M> Objective<B> for Translation<B, M>
where
    M: Trainable<B> + Conditional<B, Source = Tensor<B, 2, Int>>,
    Inner<B, M>: Conditional<B::InnerBackend, Source = Tensor<B::InnerBackend, 2, Int>>,
{
    type Model = M;
    type Batch = PairBatch<B>;

    fn batch(&mut self, number: u64, share: Share) -> Option<PairBatch<B>> {
        let (training, seed) = (&self.training, self.seed);
        let indices = self
            .epochs
            .batch(number, |epoch| training.epoch(seed, epoch));
        let indices = share.of(indices);
        let draw = derive_seed(seed, Stream::Noise, number);
        (!indices.is_empty()).then(|| training.batch(&indices, Some(draw), &self.device))
    }

    fn loss(&self, model: &M, batch: PairBatch<B>) -> TokenLoss<B> {
        loss(model, batch, self.choices)
    }

    fn validate(&self, model: &Inner<B, M>, share: Share) -> Evaluation {
        let mut evaluation = Evaluation::default();
        for indices in own(self.validation.all(), share) {
            let batch = self
                .validation
                .batch::<B::InnerBackend>(&indices, None, &self.device);
            let loss = loss(model, batch, PairLoss::default());
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
            ("source".to_owned(), batch.source.into_data()),
            ("inputs".to_owned(), batch.inputs.into_data()),
            ("targets".to_owned(), batch.targets.into_data()),
        ]
    }

    fn package(&self, model: Inner<B, M>) -> Model<B::InnerBackend> {
        (self.package)(model)
    }
}
