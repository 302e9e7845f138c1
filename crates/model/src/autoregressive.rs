//! The traits by which decoders and scorers know a model: how it is stepped, and how it is started.

use burn::tensor::{Bool, Distribution, Int, Tensor, backend::Backend, s};

/// A model of `p(x) = Π p(x_t | x_<t)`.
///
/// Its law, tested for every implementation: feeding a sequence in any pieces gives the logits of one full pass.
pub trait Autoregressive<B: Backend> {
    /// What the model remembers of the tokens it has been fed.
    type State: DecodingState;

    /// Feeds tokens behind those fed before and returns their vectors.
    ///
    /// - `tokens`: `[batch, seq]`
    /// - returns `[batch, seq, d_model]`
    fn decode(&self, tokens: Tensor<B, 2, Int>, state: &mut Self::State) -> Tensor<B, 3>;

    /// What the model predicts behind each position.
    ///
    /// - `hidden`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, vocab]`
    fn logits(&self, hidden: Tensor<B, 3>) -> Tensor<B, 3>;

    /// Number of tokens.
    fn vocab(&self) -> usize;

    /// The longest sequence that can be fed.
    fn max_positions(&self) -> usize;

    /// Feeds tokens and predicts behind each of them.
    ///
    /// - `tokens`: `[batch, seq]`
    /// - returns `[batch, seq, vocab]`
    fn step(&self, tokens: Tensor<B, 2, Int>, state: &mut Self::State) -> Tensor<B, 3> {
        let hidden = self.decode(tokens, state);
        self.logits(hidden)
    }

    /// Feeds tokens and predicts behind the last of them: the head runs once a row, however long the prompt.
    ///
    /// - `tokens`: `[batch, seq]`
    /// - returns `[batch, vocab]`
    fn predict(&self, tokens: Tensor<B, 2, Int>, state: &mut Self::State) -> Tensor<B, 2> {
        let [batch, seq] = tokens.dims();
        let hidden = self.decode(tokens, state);
        let last = hidden.slice(s![.., seq - 1..seq, ..]);
        self.logits(last).reshape([batch, self.vocab()])
    }
}

/// A model that reads nothing but the tokens it writes.
pub trait LanguageModel<B: Backend>: Autoregressive<B> {
    /// The state before the first token.
    ///
    /// - `n_hidden`: one number a row of the batch, how many columns of left padding its first tokens are; `[0]` for a
    ///   single row without any
    fn start(&self, n_hidden: &[usize]) -> Self::State;

    /// Predicts behind every position of whole sequences that start at position 0. Padding belongs at the end.
    ///
    /// - `tokens`: `[batch, seq]`
    /// - returns `[batch, seq, vocab]`
    fn forward(&self, tokens: Tensor<B, 2, Int>) -> Tensor<B, 3> {
        let [batch, _] = tokens.dims();
        self.step(tokens, &mut self.start(&vec![0; batch]))
    }

    /// As [`forward`](Self::forward), but the gradient of a prediction goes back no further than the piece of `n_back` tokens
    /// that it is in. A model whose gradient has no way through a state has nothing to truncate.
    fn forward_truncated(&self, tokens: Tensor<B, 2, Int>, n_back: usize) -> Tensor<B, 3> {
        let _ = n_back;
        self.forward(tokens)
    }
}

/// A model that reads a source before it writes a target.
pub trait Conditional<B: Backend>: Autoregressive<B> {
    /// What is read: tokens `[batch, source_seq]`, or vectors `[batch, source_seq, d_source]`.
    type Source;

    /// Reads the source; the state before the first target token.
    ///
    /// - `padding_mask`: `[batch, source_seq]`, where the source is padding, which belongs at its end
    fn start(&self, source: Self::Source, padding_mask: Option<Tensor<B, 2, Bool>>) -> Self::State;

    /// Predicts behind every position of the target.
    ///
    /// - `padding_mask`: `[batch, source_seq]`, where the source is padding, which belongs at its end
    /// - `target`: `[batch, target_seq]`, starting with the start token; padding belongs at the end
    /// - returns `[batch, target_seq, vocab]`
    fn forward(
        &self,
        source: Self::Source,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
    ) -> Tensor<B, 3> {
        self.step(target, &mut self.start(source, padding_mask))
    }

    /// As [`forward`](Self::forward), but a token of the target behind the first is, with the given probability, replaced
    /// by what the model finds likeliest there: scheduled sampling, Bengio et al. 2015 <https://arxiv.org/abs/1506.03099>. Draws
    /// come from the backend's seeded generator; no gradient goes through a choice.
    fn forward_sampled(
        &self,
        source: Self::Source,
        padding_mask: Option<Tensor<B, 2, Bool>>,
        target: Tensor<B, 2, Int>,
        probability: f64,
    ) -> Tensor<B, 3> {
        let ([batch, seq], device) = (target.dims(), target.device());
        let mut state = self.start(source, padding_mask);
        let mut logits: Vec<Tensor<B, 3>> = Vec::with_capacity(seq);
        for i in 0..seq {
            let mut input = target.clone().slice(s![.., i..i + 1]);
            if let Some(last) = logits.last() {
                let own = last.clone().argmax(2).reshape([batch, 1]);
                let uniform = Distribution::Uniform(0.0, 1.0);
                let coin = Tensor::<B, 2>::random([batch, 1], uniform, &device);
                input = input.mask_where(coin.lower_elem(probability), own);
            }
            logits.push(self.step(input, &mut state));
        }
        Tensor::cat(logits, 1)
    }

    /// How many different tokens may stand in a source or, where it is made of vectors, how wide these are.
    fn source_size(&self) -> usize {
        self.vocab()
    }

    /// The longest source that can be read.
    fn max_source_positions(&self) -> usize {
        self.max_positions()
    }
}

/// What a model remembers of the tokens it has been fed, a row for each sequence of the batch.
pub trait DecodingState: Clone {
    /// How many tokens have been fed, left padding included.
    fn n_past(&self) -> usize;

    /// Row `i` becomes what row `rows[i]` was; the batch becomes `rows.len()` rows.
    fn reorder(&mut self, rows: &[usize]);
}
