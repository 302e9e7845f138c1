//! BERT: an encoder that sees both sides of a token. Devlin et al. 2019 <https://arxiv.org/abs/1810.04805>.
//!
//! One body with up to three things on top of it: a pooler, a head that guesses masked tokens, a head that names a class.

use crate::activation::Activation;
use crate::bert_config::BertConfig;
use crate::classifier::{ClassHead, Classifier};
use crate::embedding::{EmbeddingConfig, Head, TokenEmbedding};
use crate::initialisation::{WeightInitialisers, linear, materialise};
use crate::mask::Mask;
use crate::norm::Norm;
use crate::pooling::Pooling;
use crate::projection::{project, project_rows};
use crate::stack::Stack;
use crate::token_convolution::TokenConvolution;
use burn::module::{Module, Param};
use burn::nn::{Dropout, DropoutConfig, Linear};
use burn::tensor::module::embedding;
use burn::tensor::{Bool, Int, Tensor, backend::Backend, s};

impl BertConfig {
    /// A model with freshly drawn weights.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, device: &B::Device) -> Bert<B> {
        materialise(self.skeleton(device))
    }

    /// A model whose parameters are not drawn until they are first used: what a loader fills in.
    ///
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn skeleton<B: Backend>(&self, device: &B::Device) -> Bert<B> {
        if let Err(error) = self.validate() {
            panic!("{error}");
        }
        let d_model = self.encoder.d_model;
        let initialisers = self
            .initialisation
            .initialisers(d_model, self.encoder.n_layers);
        let tokens = EmbeddingConfig {
            dropout: 0.0,
            ..self.embedding.clone()
        };
        let square = || linear([d_model, d_model], true, &initialisers.inner, device);
        Bert {
            embedding: tokens.init(&initialisers, device),
            segments: initialisers
                .embedding
                .init([self.n_segments, d_model], device),
            embedding_norm: self.encoder.new_norm(device),
            dropout: DropoutConfig::new(self.embedding.dropout).init(),
            convolution: self
                .convolution
                .map(|width| TokenConvolution::new(width, d_model, &initialisers, device)),
            encoder: self.encoder.init(self.initialisation, device),
            pooling: self.pooling,
            pooler: self.pooler.then(square),
            masked: self
                .masked
                .as_ref()
                .map(|masked| MaskedHead::new(self, masked.tied, &initialisers, device)),
            classes: self
                .classes
                .as_ref()
                .map(|classes| classes.init(d_model, &initialisers, device)),
        }
    }
}

/// An encoder over tokens.
#[derive(Module, Debug)]
pub struct Bert<B: Backend> {
    embedding: TokenEmbedding<B>,
    /// `[n_segments, d_model]`
    segments: Param<Tensor<B, 2>>,
    embedding_norm: Norm<B>,
    dropout: Dropout,
    convolution: Option<TokenConvolution<B>>,
    encoder: Stack<B>,
    #[module(skip)]
    pooling: Pooling,
    pooler: Option<Linear<B>>,
    masked: Option<MaskedHead<B>>,
    classes: Option<ClassHead<B>>,
}

impl<B: Backend> Bert<B> {
    /// Number of tokens.
    pub fn vocab(&self) -> usize {
        self.embedding.vocab()
    }

    /// Width of the vectors.
    pub fn d_model(&self) -> usize {
        self.encoder.d_model()
    }

    /// Number of kinds of segments.
    pub fn n_segments(&self) -> usize {
        let [n_segments, _] = self.segments.dims();
        n_segments
    }

    /// The longest sequence that can be read.
    pub fn max_positions(&self) -> usize {
        self.embedding.max_positions()
    }

    /// Number of classes; none without a head for them.
    pub fn n_classes(&self) -> Option<usize> {
        self.classes.as_ref().map(ClassHead::n_classes)
    }

    /// Whether there is a head that guesses masked tokens.
    pub fn guesses_tokens(&self) -> bool {
        self.masked.is_some()
    }

    /// A vector for each token, which knows of all the others.
    ///
    /// - `tokens`: `[batch, seq]`; padding belongs at the end
    /// - `segments`: `[batch, seq]`, which segment a token is of; all of the first if not given
    /// - `padding_mask`: `[batch, seq]`
    /// - returns `[batch, seq, d_model]`
    ///
    /// # Panics
    /// If there are more tokens than positions.
    pub fn encode(
        &self,
        tokens: Tensor<B, 2, Int>,
        segments: Option<Tensor<B, 2, Int>>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 3> {
        let table = self.segments.val();
        let segments = match segments {
            Some(segments) => embedding(table, segments),
            None => table.slice(s![..1, ..]).unsqueeze::<3>(),
        };
        let sum = self.embedding.forward(tokens, 0, &[0]) + segments;
        let stem = self.dropout.forward(self.embedding_norm.forward(sum));
        let stem = match &self.convolution {
            Some(convolution) => convolution.forward(stem, padding_mask.clone()),
            None => stem,
        };
        let mask = Mask::padding(padding_mask);
        self.encoder.forward(stem, &mask, None)
    }

    /// A vector that stands for the whole text; the first goes through the pooler if there is one.
    ///
    /// - `hidden`: `[batch, seq, d_model]`, as [`encode`](Self::encode) makes it
    /// - `padding_mask`: `[batch, seq]`
    /// - returns `[batch, d_model]`
    pub fn pool(
        &self,
        pooling: Pooling,
        hidden: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 2> {
        let vector = pooling.pool(hidden, padding_mask);
        match &self.pooler {
            Some(pooler) if pooling == Pooling::First => project_rows(pooler, vector).tanh(),
            _ => vector,
        }
    }

    /// What each token might be; none without a head for it.
    ///
    /// - `hidden`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, vocab]`
    pub fn token_logits(&self, hidden: Tensor<B, 3>) -> Option<Tensor<B, 3>> {
        let head = self.masked.as_ref()?;
        Some(head.forward(hidden, &self.embedding))
    }

    /// What the text might be; none without a head for it.
    ///
    /// - `hidden`: `[batch, seq, d_model]`
    /// - `padding_mask`: `[batch, seq]`
    /// - returns `[batch, n_classes]`
    pub fn class_logits(
        &self,
        hidden: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Option<Tensor<B, 2>> {
        let head = self.classes.as_ref()?;
        Some(head.forward(self.pool(self.pooling, hidden, padding_mask)))
    }
}

impl<B: Backend> Classifier<B> for Bert<B> {
    /// Tokens `[batch, seq]`, and where they are padding, which belongs at the end: `[batch, seq]`.
    type Input = (Tensor<B, 2, Int>, Option<Tensor<B, 2, Bool>>);

    fn rate_classes(&self, (tokens, padding_mask): Self::Input) -> Tensor<B, 2> {
        let hidden = self.encode(tokens, None, padding_mask.clone());
        let logits = self.class_logits(hidden, padding_mask);
        logits.expect("a model that is asked for classes has a head for them")
    }
}

/// Guesses what stands under a mask: a layer with a norm, then the head of every other model.
#[derive(Module, Debug)]
pub struct MaskedHead<B: Backend> {
    transform: Linear<B>,
    norm: Norm<B>,
    head: Head<B>,
    #[module(skip)]
    activation: Activation,
}

impl<B: Backend> MaskedHead<B> {
    fn new(
        config: &BertConfig,
        tied: bool,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Self {
        let (vocab, d_model) = (config.embedding.vocab, config.encoder.d_model);
        Self {
            transform: linear([d_model, d_model], true, &initialisers.inner, device),
            norm: config.encoder.new_norm(device),
            head: Head::new([vocab, d_model], tied, true, initialisers, device),
            activation: config.encoder.activation,
        }
    }

    fn forward(&self, hidden: Tensor<B, 3>, stem: &TokenEmbedding<B>) -> Tensor<B, 3> {
        let hidden = self.activation.apply(project(&self.transform, hidden));
        self.head.forward(self.norm.forward(hidden), stem)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{ConfigError, PositionEncoding, TestBackend};
    use burn::tensor::{TensorData, Tolerance};

    fn model() -> Bert<TestBackend> {
        TestBackend::seed(&Default::default(), 7);
        let config = BertConfig::tiny(11).masked_lm().classifier(3);
        config.init(&Default::default())
    }

    fn tokens(ids: &[i64]) -> Tensor<TestBackend, 2, Int> {
        Tensor::from_data(
            TensorData::new(ids.to_vec(), [1, ids.len()]),
            &Default::default(),
        )
    }

    fn assert_near<const D: usize>(a: Tensor<TestBackend, D>, b: Tensor<TestBackend, D>) {
        let tolerance = Tolerance::absolute(1e-5);
        a.into_data()
            .assert_approx_eq::<f32>(&b.into_data(), tolerance);
    }

    #[test]
    fn padding_changes_nothing() {
        let plain = BertConfig::tiny(11).classifier(3);
        let convolved = BertConfig {
            convolution: Some(3),
            ..plain.clone()
        };
        let hides = [[false, false, false, true, true]];
        let mask = || Some(Tensor::<_, 2, Bool>::from_data(hides, &Default::default()));
        for config in [plain, convolved] {
            for pooling in [Pooling::First, Pooling::Mean, Pooling::Max] {
                let config = config.clone().pooled(pooling);
                let model = config.init::<TestBackend>(&Default::default());
                let rate = |ids: &[i64], mask| model.rate_classes((tokens(ids), mask));
                let short = rate(&[1, 5, 3], None);
                assert_near(rate(&[1, 5, 3, 9, 9], mask()), short);
                let hidden = model.encode(tokens(&[1, 5, 3, 9, 9]), None, mask());
                let short = model.encode(tokens(&[1, 5, 3]), None, None);
                assert_near(hidden.slice(s![.., ..3, ..]), short);
            }
        }
    }

    #[test]
    fn words_that_stand_together_are_seen_without_any_layer() {
        let mut config = BertConfig::tiny(11).classifier(3).pooled(Pooling::Max);
        config.encoder.n_layers = 0;
        assert!(matches!(config.validate(), Err(ConfigError::Zero { .. })));
        config.convolution = Some(2);
        assert!(matches!(
            config.validate(),
            Err(ConfigError::EvenKernel { kernel: 2, .. })
        ));
        config.convolution = Some(3);
        config.embedding.positions = PositionEncoding::None;
        let model = config.init::<TestBackend>(&Default::default());
        let rate = |ids: &[i64]| {
            let logits = model.rate_classes((tokens(ids), None)).into_data();
            logits.to_vec::<f32>().expect("floats")
        };
        assert_ne!(rate(&[1, 5, 3, 7]), rate(&[1, 3, 5, 7]));
    }

    #[test]
    fn both_sides_of_a_token_and_its_segment_are_seen() {
        let model = model();
        let guess = |ids: &[i64], segments| {
            let hidden = model.encode(tokens(ids), segments, None);
            let logits = model.token_logits(hidden).expect("a head");
            logits
                .slice(s![.., 1..2, ..])
                .into_data()
                .to_vec::<f32>()
                .expect("floats")
        };
        let plain = guess(&[1, 2, 3], None);
        assert_eq!(plain, guess(&[1, 2, 3], Some(tokens(&[0, 0, 0]))));
        assert_ne!(plain, guess(&[4, 2, 3], None));
        assert_ne!(plain, guess(&[1, 2, 4], None));
        assert_ne!(plain, guess(&[1, 2, 3], Some(tokens(&[0, 0, 1]))));
    }
}
