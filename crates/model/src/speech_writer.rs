//! A model of speech that writes what its decoder and its encoder's own head find likely together.
//!
//! Watanabe et al. 2017 <https://doi.org/10.1109/JSTSP.2017.2763455>, §II-E: a decoder with attention may leave out or repeat what was
//! said, or go on as it has learnt by heart; connectionist temporal classification goes through the sound from its beginning
//! to its end, and knows nothing of words. Their log-probabilities are added.

use crate::autoregressive::{Autoregressive, Conditional, DecodingState};
use crate::ctc::IMPOSSIBLE;
use crate::ctc_prefix::CtcPrefix;
use crate::encoder_decoder::TransformerState;
use crate::speech::SpeechToText;
use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Int, Tensor, backend::Backend, s};

/// A [`SpeechToText`] whose predictions are `(1 - w) · log p(decoder) + w · log p(encoder's head)`.
#[derive(Debug)]
pub struct SpeechWriter<'a, B: Backend> {
    model: &'a SpeechToText<B>,
    weight: f64,
    blank: usize,
    end: usize,
}

impl<'a, B: Backend> SpeechWriter<'a, B> {
    /// By the decoder alone.
    pub fn decoder(model: &'a SpeechToText<B>) -> Self {
        Self {
            model,
            weight: 0.0,
            blank: 0,
            end: 0,
        }
    }

    /// By both.
    ///
    /// - `weight`: of the encoder's head, from 0 to 1. At 0 and at 1 the other is not computed
    /// - `blank`: the token that stands for nothing said
    /// - `end`: the token that ends a text
    ///
    /// # Panics
    /// If the weight is none, if it is above 0 and the model [has no such head](SpeechToText::has_ctc), or if a token is none
    /// of the model's.
    pub fn new(model: &'a SpeechToText<B>, weight: f64, [blank, end]: [u32; 2]) -> Self {
        let [blank, end] = [blank as usize, end as usize];
        assert!((0.0..=1.0).contains(&weight), "a weight of {weight}");
        let has_head = weight == 0.0 || model.has_ctc();
        assert!(has_head, "no head for a weight of {weight}");
        assert!(blank.max(end) < model.vocab(), "tokens {blank} and {end}");
        Self {
            model,
            weight,
            blank,
            end,
        }
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
                log_softmax(heard.predict(), 1).unsqueeze_dim::<3>(1)
            });
            // What is impossible stays so, whatever its weight.
            Tensor::cat(steps.collect(), 1).clamp_min(IMPOSSIBLE)
        });
        match (written, heard) {
            (Some(written), Some(heard)) => {
                written.mul_scalar(1.0 - self.weight) + heard.mul_scalar(self.weight)
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
        let heard = (self.weight > 0.0)
            .then(|| self.model.ctc_logits(&encoded))
            .flatten();
        let mask = encoded.padding_mask.clone();
        let heard = heard.map(|logits| CtcPrefix::new(logits, mask, [self.blank, self.end]));
        let decoder = (self.weight < 1.0).then(|| self.model.start_from(encoded));
        SpeechWriterState { decoder, heard }
    }

    fn source_size(&self) -> usize {
        self.model.source_size()
    }

    fn max_source_positions(&self) -> usize {
        self.model.max_source_positions()
    }
}
