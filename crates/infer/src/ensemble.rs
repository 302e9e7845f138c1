//! Several models that write and score as one.

use crate::error::{InferError, option};
use burn::tensor::activation::{log_softmax, softmax};
use burn::tensor::{Bool, Int, Tensor, backend::Backend};
use hearth_model::{Autoregressive, Conditional, DecodingState, LanguageModel};

/// What is averaged.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mixture {
    /// Probabilities: a token is likely if any model finds it likely.
    #[default]
    Probabilities,
    /// Log-probabilities: a token is likely if no model finds it unlikely.
    LogProbabilities,
}

/// Models of one vocabulary, of any kinds, as one model: its prediction is the weighted mean of theirs. Of a single model it is
/// that model.
///
/// `T` is [`LanguageMember`] or [`ConditionalMember`] as a trait object, which every model of that sort is.
///
/// ```
/// use burn_flex::Flex;
/// use hearth_infer::LanguageEnsemble;
/// use hearth_model::{GptConfig, LanguageModel, RnnKind, RnnLmConfig};
///
/// # fn main() -> Result<(), hearth_infer::InferError> {
/// let device = Default::default();
/// let gpt = GptConfig::tiny(65).init::<Flex>(&device);
/// let lstm = RnnLmConfig::tiny(RnnKind::Lstm, 65).init(&device);
/// let both = LanguageEnsemble::of(&gpt).and(&lstm, 2.0)?;
/// let tokens = burn::tensor::Tensor::from_data([[1, 2, 3]], &device);
/// assert_eq!(both.forward(tokens).dims(), [1, 3, 65]);
/// # Ok(())
/// # }
/// ```
pub struct Ensemble<'a, T: ?Sized> {
    /// With their weights.
    members: Vec<(&'a T, f64)>,
    mixture: Mixture,
}

/// Language models as one.
pub type LanguageEnsemble<'a, B> = Ensemble<'a, dyn LanguageMember<B> + 'a>;

/// Models that read a source, as one: of tokens, if nothing else is said.
pub type ConditionalEnsemble<'a, B, S = Tensor<B, 2, Int>> =
    Ensemble<'a, dyn ConditionalMember<B, S> + 'a>;

/// Models that read sound, as one.
pub type SpeechEnsemble<'a, B> = ConditionalEnsemble<'a, B, Tensor<B, 3>>;

/// What all members have; every [`Autoregressive`] model has it.
pub trait Member<B: Backend> {
    /// See [`Autoregressive::logits`].
    fn head(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3>;
    /// See [`Autoregressive::vocab`] and [`Autoregressive::max_positions`].
    fn sizes(&self) -> [usize; 2];
}

/// Every [`LanguageModel`].
pub trait LanguageMember<B: Backend>: Member<B> {
    /// See [`LanguageModel::start`].
    fn begin<'a>(&'a self, n_hidden: &[usize]) -> Box<dyn Running<'a, B> + 'a>;
}

/// Every [`Conditional`] model that reads a source `S`.
pub trait ConditionalMember<B: Backend, S>: Member<B> {
    /// See [`Conditional::start`].
    fn begin<'a>(
        &'a self,
        source: S,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Box<dyn Running<'a, B> + 'a>;
    /// See [`Conditional::source_size`] and [`Conditional::max_source_positions`].
    fn source_sizes(&self) -> [usize; 2];
}

/// A member and what it remembers.
pub trait Running<'a, B: Backend> {
    /// See [`Autoregressive::decode`].
    fn decode(&mut self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 3>;
    /// See [`Autoregressive::step`].
    fn step(&mut self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 3>;
    /// See [`Autoregressive::predict`].
    fn predict(&mut self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 2>;
    /// See [`DecodingState::n_past`].
    fn n_past(&self) -> usize;
    /// See [`DecodingState::reorder`].
    fn reorder(&mut self, rows: &[usize]);
    /// The same, to go on apart.
    fn fork(&self) -> Box<dyn Running<'a, B> + 'a>;
}

/// A model and its state.
struct Pair<'a, B: Backend, M: Autoregressive<B>> {
    model: &'a M,
    state: M::State,
}

impl<'a, B: Backend, M: Autoregressive<B>> Running<'a, B> for Pair<'a, B, M> {
    fn decode(&mut self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        self.model.decode(tokens, &mut self.state)
    }

    fn step(&mut self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        self.model.step(tokens, &mut self.state)
    }

    fn predict(&mut self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 2> {
        self.model.predict(tokens, &mut self.state)
    }

    fn n_past(&self) -> usize {
        self.state.n_past()
    }

    fn reorder(&mut self, rows: &[usize]) {
        self.state.reorder(rows);
    }

    fn fork(&self) -> Box<dyn Running<'a, B> + 'a> {
        let (model, state) = (self.model, self.state.clone());
        Box::new(Self { model, state })
    }
}

impl<B: Backend, M: Autoregressive<B>> Member<B> for M {
    fn head(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        self.logits(hidden)
    }

    fn sizes(&self) -> [usize; 2] {
        [self.vocab(), self.max_positions()]
    }
}

impl<B: Backend, M: LanguageModel<B>> LanguageMember<B> for M {
    fn begin<'a>(&'a self, n_hidden: &[usize]) -> Box<dyn Running<'a, B> + 'a> {
        let state = LanguageModel::start(self, n_hidden);
        Box::new(Pair { model: self, state })
    }
}

impl<B: Backend, M: Conditional<B>> ConditionalMember<B, M::Source> for M {
    fn begin<'a>(
        &'a self,
        source: M::Source,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Box<dyn Running<'a, B> + 'a> {
        let state = Conditional::start(self, source, padding_mask);
        Box::new(Pair { model: self, state })
    }

    fn source_sizes(&self) -> [usize; 2] {
        [self.source_size(), self.max_source_positions()]
    }
}

/// What an [`Ensemble`] remembers: what each member does.
pub struct EnsembleState<'a, B: Backend>(Vec<Box<dyn Running<'a, B> + 'a>>);

impl<B: Backend> Clone for EnsembleState<'_, B> {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(|member| member.fork()).collect())
    }
}

impl<B: Backend> DecodingState for EnsembleState<'_, B> {
    fn n_past(&self) -> usize {
        self.0.first().map_or(0, |member| member.n_past())
    }

    fn reorder(&mut self, rows: &[usize]) {
        for member in &mut self.0 {
            member.reorder(rows);
        }
    }
}

impl<'a, T: ?Sized> Ensemble<'a, T> {
    /// A single model, of weight 1.
    pub fn of(first: &'a T) -> Self {
        Self {
            members: vec![(first, 1.0)],
            mixture: Mixture::default(),
        }
    }

    /// What is averaged; probabilities if nothing is said.
    pub fn averaging(mut self, mixture: Mixture) -> Self {
        self.mixture = mixture;
        self
    }

    fn push(
        mut self,
        member: &'a T,
        weight: f64,
        sizes: [[usize; 2]; 2],
    ) -> Result<Self, InferError> {
        let right = weight > 0.0 && weight.is_finite();
        option(right, "weight", weight, "a finite number above 0")?;
        let index = self.members.len();
        for (what, [found, expected]) in ["tokens", "tokens or numbers of the source"]
            .into_iter()
            .zip(sizes)
        {
            if found != expected {
                return Err(InferError::Ensemble {
                    index,
                    what,
                    found,
                    expected,
                });
            }
        }
        self.members.push((member, weight));
        Ok(self)
    }

    /// The weighted mean of predictions, as logits.
    ///
    /// - `logits`: of each member, `[batch, …, vocab]`
    fn mix<B: Backend, const D: usize>(&self, logits: Vec<Tensor<B, D>>) -> Tensor<B, D> {
        let total: f64 = self.members.iter().map(|(_, weight)| weight).sum();
        let parts = logits.into_iter().zip(&self.members);
        let parts = parts.map(|(logits, (_, weight))| {
            let part = match self.mixture {
                Mixture::Probabilities => softmax(logits, D - 1),
                Mixture::LogProbabilities => log_softmax(logits, D - 1),
            };
            part.mul_scalar(weight / total)
        });
        let mean = parts.reduce(Tensor::add).expect("there is a first model");
        match self.mixture {
            Mixture::Probabilities => mean.log(),
            Mixture::LogProbabilities => mean,
        }
    }
}

impl<'a, B: Backend> LanguageEnsemble<'a, B> {
    /// One model more.
    ///
    /// - `weight`: beside 1 of the first
    pub fn and(
        self,
        member: &'a (dyn LanguageMember<B> + 'a),
        weight: f64,
    ) -> Result<Self, InferError> {
        let expected = self.members[0].0.sizes()[0];
        let found = member.sizes()[0];
        self.push(member, weight, [[found, expected], [0, 0]])
    }
}

impl<'a, B: Backend, S: 'a> ConditionalEnsemble<'a, B, S> {
    /// One model more.
    ///
    /// - `weight`: beside 1 of the first
    pub fn and(
        self,
        member: &'a (dyn ConditionalMember<B, S> + 'a),
        weight: f64,
    ) -> Result<Self, InferError> {
        let first = self.members[0].0;
        let written = [member.sizes()[0], first.sizes()[0]];
        let read = [member.source_sizes()[0], first.source_sizes()[0]];
        self.push(member, weight, [written, read])
    }
}

impl<'a, B: Backend, T: Member<B> + ?Sized> Autoregressive<B> for Ensemble<'a, T>
where
    Self: 'a,
{
    type State = EnsembleState<'a, B>;

    /// Of several members, the mean of their predictions: what they see has no meaning in common.
    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut Self::State) -> Tensor<B, 3> {
        match state.0.as_mut_slice() {
            [alone] => alone.decode(tokens),
            members => {
                let members = members.iter_mut();
                self.mix(members.map(|member| member.step(tokens.clone())).collect())
            }
        }
    }

    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3> {
        match self.members.as_slice() {
            [(alone, _)] => alone.head(hidden),
            _ => hidden,
        }
    }

    fn predict(&self, tokens: Tensor<B, 2, Int>, state: &mut Self::State) -> Tensor<B, 2> {
        match state.0.as_mut_slice() {
            [alone] => alone.predict(tokens),
            members => {
                let members = members.iter_mut();
                self.mix(
                    members
                        .map(|member| member.predict(tokens.clone()))
                        .collect(),
                )
            }
        }
    }

    fn vocab(&self) -> usize {
        self.members[0].0.sizes()[0]
    }

    fn max_positions(&self) -> usize {
        let positions = self.members.iter().map(|(member, _)| member.sizes()[1]);
        positions.min().unwrap_or(0)
    }
}

impl<'a, B: Backend> LanguageModel<B> for LanguageEnsemble<'a, B> {
    fn start(&self, n_hidden: &[usize]) -> EnsembleState<'a, B> {
        let members = self.members.iter();
        EnsembleState(members.map(|(member, _)| member.begin(n_hidden)).collect())
    }
}

impl<'a, B: Backend, S: Clone + 'a> Conditional<B> for ConditionalEnsemble<'a, B, S> {
    type Source = S;

    fn start(&self, source: S, padding_mask: Option<Tensor<B, 2, Bool>>) -> EnsembleState<'a, B> {
        let begin = |(member, _): &(&'a (dyn ConditionalMember<B, S> + 'a), f64)| {
            member.begin(source.clone(), padding_mask.clone())
        };
        EnsembleState(self.members.iter().map(begin).collect())
    }

    fn source_size(&self) -> usize {
        self.members[0].0.source_sizes()[0]
    }

    fn max_source_positions(&self) -> usize {
        let positions = self
            .members
            .iter()
            .map(|(member, _)| member.source_sizes()[1]);
        positions.min().unwrap_or(0)
    }
}
