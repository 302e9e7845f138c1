//! From the vectors of a text to one.

use burn::tensor::{Bool, Tensor, backend::Backend};
use serde::{Deserialize, Serialize};

/// How one vector is made of a text's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// The first of them. Devlin et al. 2019 <https://arxiv.org/abs/1810.04805>, §3.
    #[default]
    First,
    /// Their mean. Reimers and Gurevych 2019 <https://arxiv.org/abs/1908.10084>, §3. A row of nothing but padding gives zeros.
    Mean,
    /// The largest number in each place: whether anything in the text says so. Kim 2014 <https://arxiv.org/abs/1408.5882>, §2. A
    /// row of nothing but padding gives the lowest numbers there are.
    Max,
}

impl Pooling {
    /// - `hidden`: `[batch, seq, d_model]`
    /// - `padding_mask`: `[batch, seq]`, padding at the end of rows
    /// - returns `[batch, d_model]`
    pub fn pool<B: Backend>(
        self,
        hidden: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Tensor<B, 2> {
        let [batch, seq, d_model] = hidden.dims();
        let one = match (self, padding_mask) {
            (Self::First, _) => hidden.narrow(1, 0, 1),
            (Self::Mean, None) => hidden.mean_dim(1),
            (Self::Mean, Some(padding_mask)) => {
                let visible = padding_mask.bool_not().float();
                let counts = visible.clone().sum_dim(1).clamp_min(1.0);
                let weights = (visible / counts).reshape([batch, 1, seq]);
                weights.matmul(hidden)
            }
            (Self::Max, None) => hidden.max_dim(1),
            (Self::Max, Some(padding_mask)) => {
                let hides = padding_mask.reshape([batch, seq, 1]);
                let hides = hides.expand([batch, seq, d_model]);
                hidden.mask_fill(hides, f32::MIN).max_dim(1)
            }
        };
        one.reshape([batch, d_model])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::TestBackend;

    fn pooled(pooling: Pooling, padding: Option<[[bool; 3]; 2]>) -> Vec<f32> {
        let device = Default::default();
        let hidden = [
            [[1.0, -2.0], [3.0, -4.0], [9.0, 9.0]],
            [[0.0, 1.0], [9.0, 9.0], [9.0, 9.0]],
        ];
        let hidden = Tensor::<TestBackend, 3>::from_floats(hidden, &device);
        let mask = padding.map(|padding| Tensor::from_data(padding, &device));
        let one = pooling.pool(hidden, mask).into_data();
        one.to_vec().expect("floats")
    }

    #[test]
    fn padding_is_in_no_vector() {
        let padding = Some([[false, false, true], [false, true, true]]);
        assert_eq!(pooled(Pooling::First, padding), [1.0, -2.0, 0.0, 1.0]);
        assert_eq!(pooled(Pooling::Mean, padding), [2.0, -3.0, 0.0, 1.0]);
        assert_eq!(pooled(Pooling::Max, padding), [3.0, -2.0, 0.0, 1.0]);
        assert_eq!(pooled(Pooling::Max, None), [9.0, 9.0, 9.0, 9.0]);
    }

    #[test]
    fn a_row_of_padding_has_a_mean() {
        let padding = Some([[true; 3], [false; 3]]);
        assert_eq!(pooled(Pooling::Mean, padding)[..2], [0.0, 0.0]);
    }
}
