//! The class of what is read, `-Σ log p(class | input)`.

use super::epochs::Epochs;
use crate::fingerprint;
use crate::objective::{Evaluation, Inner, Objective, Package, Trainable, own};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, Int, Tensor, TensorData};
use hearth_batch::{ClassBatch, ClassBatches, Share, Stream, derive_seed};
use hearth_hub::Model;
use hearth_model::{Classifier, TokenLoss};

/// Naming the class of texts or of images. A label is what a token is elsewhere: the loss is a mean over labels.
#[derive(Debug)]
pub struct Classification<B: AutodiffBackend, M: Trainable<B>, D> {
    training: D,
    validation: D,
    seed: u64,
    label_smoothing: f64,
    device: B::Device,
    package: Package<B, M>,
    epochs: Epochs,
}

impl<B: AutodiffBackend, M: Trainable<B>, D: ClassBatches> Classification<B, M, D> {
    /// What is trained and validated on, and as what the model is saved.
    ///
    /// - `label_smoothing`: see [`hearth_model::next_token_loss`]
    pub fn new(
        [training, validation]: [D; 2],
        seed: u64,
        label_smoothing: f64,
        device: B::Device,
        package: Package<B, M>,
    ) -> Self {
        let epochs = Epochs::new(|number| training.epoch(seed, number));
        Self {
            training,
            validation,
            seed,
            label_smoothing,
            device,
            package,
            epochs,
        }
    }
}

/// The loss of a batch.
///
/// - `logits`: `[batch, n_classes]`
fn loss<B: Backend>(
    logits: Tensor<B, 2>,
    labels: Tensor<B, 2, Int>,
    smoothing: f64,
) -> TokenLoss<B> {
    let n_labels = labels.dims()[0];
    TokenLoss::new(logits.unsqueeze_dim(1), labels, None, n_labels, smoothing)
}

impl<B: AutodiffBackend, M, D> Objective<B> for Classification<B, M, D>
where
    D: ClassBatches,
    M: Trainable<B> + Classifier<B, Input = D::Input<B>>,
    Inner<B, M>: Classifier<B::InnerBackend, Input = D::Input<B::InnerBackend>>,
{
    type Model = M;
    type Batch = ClassBatch<D::Input<B>, B>;

    fn batch(&mut self, number: u64, share: Share) -> Option<Self::Batch> {
        let (training, seed) = (&self.training, self.seed);
        let indices = self
            .epochs
            .batch(number, |epoch| training.epoch(seed, epoch));
        let indices = share.of(indices);
        let draw = derive_seed(seed, Stream::Noise, number);
        (!indices.is_empty()).then(|| training.batch(&indices, Some(draw), &self.device))
    }

    fn loss(&self, model: &M, batch: Self::Batch) -> TokenLoss<B> {
        let logits = model.rate_classes(batch.input);
        loss(logits, batch.labels, self.label_smoothing)
    }

    fn validate(&self, model: &Inner<B, M>, share: Share) -> Evaluation {
        let (mut evaluation, mut n_right) = (Evaluation::default(), 0);
        for indices in own(self.validation.all(), share) {
            let batch = self
                .validation
                .batch::<B::InnerBackend>(&indices, None, &self.device);
            let logits = model.rate_classes(batch.input);
            let is_right = logits.clone().argmax(1).equal(batch.labels.clone());
            n_right += is_right.int().sum().into_scalar().elem::<i64>() as usize;
            let loss = loss(logits, batch.labels, 0.0);
            evaluation.add(loss.sum.into_scalar().elem(), loss.n_tokens);
        }
        Evaluation {
            n_right: Some(n_right),
            ..evaluation
        }
    }

    fn fingerprint(&self) -> String {
        fingerprint::of(|see| {
            self.training.content(see);
            self.validation.content(see);
        })
    }

    fn tensors(&self, batch: Self::Batch) -> Vec<(String, TensorData)> {
        let mut tensors = D::tensors::<B>(batch.input);
        tensors.push(("labels".to_owned(), batch.labels.into_data()));
        tensors
    }

    fn package(&self, model: Inner<B, M>) -> Model<B::InnerBackend> {
        (self.package)(model)
    }
}
