//! The one trait by which decoders and scorers know a model.

use burn::tensor::{Int, Tensor, backend::Backend, s};

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

/// What a model remembers of the tokens it has been fed, a row for each sequence of the batch.
pub trait DecodingState: Clone {
    /// How many tokens have been fed, left padding included.
    fn n_past(&self) -> usize;

    /// Row `i` becomes what row `rows[i]` was; the batch becomes `rows.len()` rows.
    fn reorder(&mut self, rows: &[usize]);
}
