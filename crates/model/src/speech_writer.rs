//! A model of speech that writes what its decoder and its encoder's own head find likely together.
//!
//! Watanabe et al. 2017 <https://doi.org/10.1109/JSTSP.2017.2763455>: a decoder with attention may leave out or repeat what was said,
//! or go on as it has learnt by heart; connectionist temporal classification goes through the sound from its beginning to its
//! end, and knows nothing of words. Their log-probabilities are added. Departure: the sum is a model's prediction as any
//! other, so that a beam search makes it a distribution again at each step; a text is not charged for what the two disagree
//! about.

use crate::autoregressive::{Autoregressive, Conditional, DecodingState};
use crate::ctc_prefix::{CtcPrefix, CtcTokens};
use crate::encoder_decoder::TransformerState;
use crate::speech::SpeechToText;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor, backend::Backend, s};

/// A [`SpeechToText`] whose predictions are `(1 - w) · log p(decoder) + w · log p(encoder's head)`.
#[derive(Debug)]
pub struct SpeechWriter<'a, B: Backend> {
    model: &'a SpeechToText<B>,
    /// What the encoder's head counts, and its tokens; none where the decoder writes alone.
    ear: Option<(f64, CtcTokens)>,
}

impl<'a, B: Backend> SpeechWriter<'a, B> {
    /// By the decoder alone.
    pub fn decoder(model: &'a SpeechToText<B>) -> Self {
        Self { model, ear: None }
    }

    /// By both.
    ///
    /// - `weight`: of the encoder's head, from 0 to 1; at either end the other is not computed
    ///
    /// # Panics
    /// If the weight is none, the model [has no such head](SpeechToText::has_ctc), or the tokens are not two of the model's.
    pub fn new(model: &'a SpeechToText<B>, weight: f64, tokens: CtcTokens) -> Self {
        assert!((0.0..=1.0).contains(&weight), "a weight of {weight}");
        assert!(model.has_ctc(), "the encoder has no head of its own");
        let CtcTokens { blank, end } = tokens;
        let are_two = blank != end && (blank.max(end) as usize) < model.vocab();
        assert!(are_two, "{tokens:?} of {}", model.vocab());
        let ear = (weight > 0.0).then_some((weight, tokens));
        Self { model, ear }
    }

    fn weight(&self) -> f64 {
        self.ear.map_or(0.0, |(weight, _)| weight)
    }
}

/// What a [`SpeechWriter`] remembers.
#[derive(Debug, Clone)]
pub struct SpeechWriterState<B: Backend> {
    decoder: Option<TransformerState<B>>,
    heard: Option<CtcPrefix<B>>,
}

impl<B: Backend> DecodingState for SpeechWriterState<B> {
    fn n_past(&self) -> usize {
        let decoder = self.decoder.as_ref().map(TransformerState::n_past);
        let heard = self.heard.as_ref().map(CtcPrefix::n_past);
        decoder.or(heard).unwrap_or(0)
    }

    fn reorder(&mut self, rows: &[usize]) {
        if let Some(decoder) = &mut self.decoder {
            decoder.reorder(rows);
        }
        if let Some(heard) = &mut self.heard {
            heard.reorder(rows);
        }
    }
}

/// Vectors are predictions: the two have no others in common.
impl<B: Backend> Autoregressive<B> for SpeechWriter<'_, B> {
    type State = SpeechWriterState<B>;

    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut Self::State) -> Tensor<B, 3> {
        let [_, seq] = tokens.dims();
        let written = state.decoder.as_mut().map(|state| {
            let logits = self.model.step(tokens.clone(), state);
            log_softmax(logits, 2)
        });
        let heard = state.heard.as_mut().map(|heard| {
            let steps = (0..seq).map(|i| {
                heard.push(tokens.clone().slice(s![.., i..i + 1]));
                heard.predict().unsqueeze_dim::<3>(1)
            });
            Tensor::cat(steps.collect(), 1)
        });
        match (written, heard) {
            (Some(written), Some(heard)) => {
                written.mul_scalar(1.0 - self.weight()) + heard.mul_scalar(self.weight())
            }
            (Some(one), None) | (None, Some(one)) => one,
            (None, None) => unreachable!("no weight leaves out both"),
        }
    }

    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        hidden
    }

    fn vocab(&self) -> usize {
        self.model.vocab()
    }

    fn max_positions(&self) -> usize {
        self.model.max_positions()
    }
}

/// # Panics
/// If a side exceeds the model's positions.
impl<B: Backend> Conditional<B> for SpeechWriter<'_, B> {
    /// `[batch, n_frames, n_mels]`
    type Source = Tensor<B, 3>;

    fn start(
        &self,
        frames: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> SpeechWriterState<B> {
        let encoded = self.model.encode(frames, padding_mask);
        let heard = self.ear.and_then(|(_, tokens)| {
            let logits = self.model.ctc_logits(&encoded)?;
            Some(CtcPrefix::new(logits, encoded.padding_mask.clone(), tokens))
        });
        let decoder = (self.weight() < 1.0).then(|| self.model.start_from(encoded));
        SpeechWriterState { decoder, heard }
    }

    fn source_size(&self) -> usize {
        self.model.source_size()
    }

    fn max_source_positions(&self) -> usize {
        self.model.max_source_positions()
    }
}
