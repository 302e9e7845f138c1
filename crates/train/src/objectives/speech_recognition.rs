//! Next-token prediction of what is said given what is heard, `-Σ log p(y_t | y_<t, x)`, and perhaps CTC on the encoder.

use super::epochs::Epochs;
use crate::fingerprint;
use crate::objective::{Evaluation, Objective, own};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{ElementConversion, TensorData};
use hearth_batch::{Share, SpeechBatch, SpeechBatches, Stream, derive_seed};
use hearth_hub::Model;
use hearth_model::{SpeechToText, TokenLoss, ctc_loss};

/// Next-token prediction on recordings.
///
/// With a CTC weight the encoder also says by itself what it hears, which teaches it early that text follows sound from
/// left to right: `(1 - w) · next token + w · CTC`, Kim, Hori and Watanabe 2017 <https://arxiv.org/abs/1609.06773>. The blank
/// is the padding token.
#[derive(Debug)]
pub struct SpeechRecognition<B: AutodiffBackend> {
    training: SpeechBatches,
    validation: SpeechBatches,
    seed: u64,
    weights: SpeechWeights,
    device: B::Device,
    epochs: Epochs,
}

/// What the loss is made of.
#[derive(Debug, Clone, Copy)]
pub struct SpeechWeights {
    /// See [`hearth_model::next_token_loss`].
    pub label_smoothing: f64,
    /// The share of CTC; of a model that has a head for it.
    pub ctc: f64,
}

impl<B: AutodiffBackend> SpeechRecognition<B> {
    /// What is trained and validated on.
    pub fn new(
        training: SpeechBatches,
        validation: SpeechBatches,
        seed: u64,
        weights: SpeechWeights,
        device: B::Device,
    ) -> Self {
        let epochs = Epochs::new(|number| training.epoch(seed, number));
        Self {
            training,
            validation,
            seed,
            weights,
            device,
            epochs,
        }
    }
}

/// The loss of a batch.
fn loss<B: Backend>(
    model: &SpeechToText<B>,
    batch: SpeechBatch<B>,
    blank: u32,
    weights: SpeechWeights,
) -> TokenLoss<B> {
    let encoded = model.encode(batch.frames, batch.frames_padding);
    let heard = (weights.ctc > 0.0).then(|| model.ctc_logits(&encoded));
    let logits = model.write(encoded, batch.inputs);
    let written = TokenLoss::new(
        logits,
        batch.targets,
        batch.target_padding,
        batch.n_tokens,
        weights.label_smoothing,
    );
    let Some(heard) = heard.flatten() else {
        return written;
    };
    let n_vectors: Vec<usize> = batch
        .n_frames
        .iter()
        .map(|&n_frames| model.source_seq(n_frames))
        .collect();
    let heard = ctc_loss(heard, &n_vectors, &batch.heard, blank).sum();
    TokenLoss {
        sum: written.sum.mul_scalar(1.0 - weights.ctc) + heard.mul_scalar(weights.ctc),
        n_tokens: written.n_tokens,
    }
}

impl<B: AutodiffBackend> Objective<B> for SpeechRecognition<B> {
    type Model = SpeechToText<B>;
    type Batch = SpeechBatch<B>;

    fn batch(&mut self, number: u64, share: Share) -> Option<SpeechBatch<B>> {
        let (training, seed) = (&self.training, self.seed);
        let indices = self
            .epochs
            .batch(number, |epoch| training.epoch(seed, epoch));
        let indices = share.of(indices);
        let draw = derive_seed(seed, Stream::Noise, number);
        (!indices.is_empty()).then(|| training.batch(&indices, Some(draw), &self.device))
    }

    fn loss(&self, model: &SpeechToText<B>, batch: SpeechBatch<B>) -> TokenLoss<B> {
        loss(model, batch, self.training.pad(), self.weights)
    }

    fn validate(&self, model: &SpeechToText<B::InnerBackend>, share: Share) -> Evaluation {
        let mut evaluation = Evaluation::default();
        let plain = SpeechWeights {
            label_smoothing: 0.0,
            ctc: 0.0,
        };
        for indices in own(self.validation.all(), share) {
            let batch = self
                .validation
                .batch::<B::InnerBackend>(&indices, None, &self.device);
            let loss = loss(model, batch, self.validation.pad(), plain);
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
            ("frames".to_owned(), batch.frames.into_data()),
            ("inputs".to_owned(), batch.inputs.into_data()),
            ("targets".to_owned(), batch.targets.into_data()),
        ]
    }

    fn package(&self, model: SpeechToText<B::InnerBackend>) -> Model<B::InnerBackend> {
        Model::SpeechToText(model)
    }
}
