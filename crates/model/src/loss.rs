//! The training objective of every language model here: the negative log-likelihood of the next token.

use burn::tensor::{Bool, Int, Tensor, backend::Backend};

/// A loss as a sum and the number of tokens it is over, so that means stay right under padding, accumulation and
/// replicas: `perplexity = exp(sum / n_tokens)`.
#[derive(Debug, Clone)]
pub struct TokenLoss<B: Backend> {
    /// `[1]`, in nats.
    pub sum: Tensor<B, 1>,
    /// How many tokens were predicted.
    pub n_tokens: usize,
}

impl<B: Backend> TokenLoss<B> {
    /// `[1]`: the mean over the predicted tokens, in nats.
    pub fn mean(&self) -> Tensor<B, 1> {
        self.sum.clone().div_scalar(self.n_tokens.max(1) as f64)
    }
}

/// The negative log-likelihood of each target, in nats.
///
/// - `logits`: `[batch, seq, vocab]`
/// - `targets`: `[batch, seq]`
/// - `smoothing`: the share ε of the target's probability that is spread over the whole vocabulary; Szegedy et al. 2016,
///   §7 <https://arxiv.org/abs/1512.00567>, with PyTorch's definition: `(1-ε) nll(target) + ε mean over vocab of nll`
/// - returns `[batch, seq]`
pub fn next_token_loss<B: Backend>(
    logits: Tensor<B, 3>,
    targets: Tensor<B, 2, Int>,
    smoothing: f64,
) -> Tensor<B, 2> {
    let [batch, seq, vocab] = logits.dims();
    let logits = logits.reshape([batch * seq, vocab]);
    // The highest logit of a row only guards the exponential: no gradient flows through it.
    let logits = logits.clone() - logits.detach().max_dim(1);
    let log_total = logits.clone().exp().sum_dim(1).log();
    let chosen = logits.clone().gather(1, targets.reshape([batch * seq, 1]));
    let loss = if smoothing > 0.0 {
        log_total - chosen.mul_scalar(1.0 - smoothing) - logits.mean_dim(1).mul_scalar(smoothing)
    } else {
        log_total - chosen
    };
    loss.reshape([batch, seq])
}

impl<B: Backend> TokenLoss<B> {
    /// The loss of a batch.
    ///
    /// - `logits`: `[batch, seq, vocab]`
    /// - `targets`: `[batch, seq]`
    /// - `hidden`: `[batch, seq]`, where a target is padding and does not count
    /// - `n_tokens`: how many targets count; the caller knows, so that no device need be asked
    /// - `smoothing`: see [`next_token_loss`]
    pub fn new(
        logits: Tensor<B, 3>,
        targets: Tensor<B, 2, Int>,
        hidden: Option<Tensor<B, 2, Bool>>,
        n_tokens: usize,
        smoothing: f64,
    ) -> Self {
        let losses = next_token_loss(logits, targets, smoothing);
        let losses = match hidden {
            Some(hidden) => losses.mask_fill(hidden, 0.0),
            None => losses,
        };
        Self {
            sum: losses.sum(),
            n_tokens,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;
    use burn::tensor::Tolerance;

    fn logits() -> Tensor<TestBackend, 3> {
        Tensor::from_floats([[[1.0, 2.0, 3.0], [0.0, 0.0, 0.0]]], &Default::default())
    }

    fn loss(smoothing: f64, hidden: Option<[[bool; 2]; 1]>, n_tokens: usize) -> f32 {
        let device = Default::default();
        let targets = Tensor::from_ints([[2, 0]], &device);
        let hidden = hidden.map(|hidden| Tensor::from_data(hidden, &device));
        let loss = TokenLoss::new(logits(), targets, hidden, n_tokens, smoothing);
        loss.mean().into_scalar()
    }

    #[test]
    fn the_mean_of_two_tokens_is_what_the_hand_finds() {
        // 0.407606 = log(e^1 + e^2 + e^3) - 3, and log 3.
        let expected = (0.407_605_96 + 3f32.ln()) / 2.0;
        assert!((loss(0.0, None, 2) - expected).abs() < 1e-6);
    }

    #[test]
    fn smoothing_mixes_in_the_mean_over_the_vocabulary() {
        // The mean nll of the first row is log(e^1 + e^2 + e^3) - 2.
        let first = 0.9 * 0.407_605_96 + 0.1 * 1.407_606;
        assert!((loss(0.1, None, 2) - (first + 3f32.ln()) / 2.0).abs() < 1e-6);
    }

    #[test]
    fn padding_neither_adds_nor_counts() {
        assert!((loss(0.0, Some([[false, true]]), 1) - 0.407_605_96).abs() < 1e-6);
    }

    #[test]
    fn huge_logits_stay_finite() {
        let device = Default::default();
        let logits = Tensor::<TestBackend, 3>::from_floats([[[1e4, -1e4]]], &device);
        let losses = next_token_loss(logits, Tensor::from_ints([[1]], &device), 0.0);
        losses.into_data().assert_approx_eq::<f32>(
            &burn::tensor::TensorData::from([[2e4f32]]),
            Tolerance::relative(1e-6),
        );
    }
}
