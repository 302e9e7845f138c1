//! What a loss is multiplied by where gradients are computed in few bits of range.

use serde::{Deserialize, Serialize};

/// A power of two that keeps small gradients from becoming zero and large ones from overflowing. It doubles behind many finite
/// updates in a row and halves with each that is not. Micikevicius et al. 2018, §3.2 <https://arxiv.org/abs/1710.03740>.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct LossScale {
    exponent: u32,
    /// Finite updates since it was changed.
    n_finite: u32,
}

/// Finite updates behind which it doubles.
const PATIENCE: u32 = 2000;

/// Beyond it gradients that are not tiny overflow.
const HIGHEST: u32 = 24;

impl Default for LossScale {
    fn default() -> Self {
        Self {
            exponent: 16,
            n_finite: 0,
        }
    }
}

impl LossScale {
    pub(crate) fn factor(self) -> f64 {
        f64::from(self.exponent).exp2()
    }

    /// As it is behind one more update.
    #[must_use]
    pub(crate) fn behind(self, is_finite: bool) -> Self {
        let Self { exponent, n_finite } = self;
        let (exponent, n_finite) = match (is_finite, n_finite + 1) {
            (false, _) => (exponent.saturating_sub(1), 0),
            (true, PATIENCE) => (HIGHEST.min(exponent + 1), 0),
            (true, n_finite) => (exponent, n_finite),
        };
        Self { exponent, n_finite }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_rises_slowly_and_falls_at_once() {
        let mut scale = LossScale::default();
        for _ in 1..PATIENCE {
            scale = scale.behind(true);
            assert_eq!(scale.factor(), 65_536.0);
        }
        scale = scale.behind(true);
        assert_eq!(scale.factor(), 131_072.0);
        scale = scale.behind(false).behind(false);
        assert_eq!(scale.factor(), 32_768.0);
        for is_finite in [true, false] {
            let mut scale = scale;
            for _ in 0..100 * PATIENCE {
                scale = scale.behind(is_finite);
            }
            assert_eq!(scale.factor(), if is_finite { 16_777_216.0 } else { 1.0 });
        }
    }
}
