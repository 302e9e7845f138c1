//! Whether probabilities of classes mean what they say.

/// What a classifier said of one thing, and what it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The probability of each class.
    pub probabilities: Vec<f32>,
    /// The number of the class it is.
    pub label: usize,
}

/// Bins of confidence, as in the paper's experiments.
const N_BINS: usize = 15;

impl Prediction {
    /// The likeliest class, the first among equals.
    pub fn class(&self) -> usize {
        let ahead = |best: usize, i: usize| match self.probabilities[i] > self.probabilities[best] {
            true => i,
            false => best,
        };
        (0..self.probabilities.len()).fold(0, ahead)
    }
}

/// Expected calibration error, `Σ |Bₘ| / n · |accuracy(Bₘ) - confidence(Bₘ)|` over 15 equal bins of confidence, from 0 to 1.
///
/// The confidence is the probability of the likeliest class; bin m holds those in `((m - 1) / 15, m / 15]`. It is 0 of nothing.
///
/// Guo et al. 2017, §2, equation 3 <https://arxiv.org/abs/1706.04599>.
pub fn expected_calibration_error(predictions: &[Prediction]) -> f64 {
    let mut gaps = [0.0; N_BINS];
    for prediction in predictions {
        let class = prediction.class();
        let confidence = prediction.probabilities.get(class).copied().unwrap_or(0.0);
        let confidence = f64::from(confidence);
        let bin = ((confidence * N_BINS as f64).ceil() as usize).clamp(1, N_BINS) - 1;
        gaps[bin] += f64::from(u8::from(class == prediction.label)) - confidence;
    }
    let sum: f64 = gaps.iter().map(|gap| gap.abs()).sum();
    sum / predictions.len().max(1) as f64
}

/// Brier score, the mean of `Σₖ (pₖ - [k is the label])²`, from 0 to 2. It is 0 of nothing.
///
/// Brier 1950, equation 2 <https://doi.org/10.1175/1520-0493(1950)078%3C0001:VOFEIT%3E2.0.CO;2>.
pub fn brier_score(predictions: &[Prediction]) -> f64 {
    let of_one = |prediction: &Prediction| -> f64 {
        let probabilities = prediction.probabilities.iter().enumerate();
        let distance = probabilities.map(|(class, p)| {
            let truth = f64::from(u8::from(class == prediction.label));
            (f64::from(*p) - truth).powi(2)
        });
        distance.sum()
    };
    predictions.iter().map(of_one).sum::<f64>() / predictions.len().max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prediction(probabilities: &[f32], label: usize) -> Prediction {
        Prediction {
            probabilities: probabilities.to_vec(),
            label,
        }
    }

    #[test]
    fn errors_worked_out_by_hand() {
        // Two of confidence 0.75 in one bin, one of which is right; one of 1.0 that is right.
        let predictions = [
            prediction(&[0.75, 0.25], 0),
            prediction(&[0.25, 0.75], 0),
            prediction(&[1.0, 0.0], 0),
        ];
        let error = expected_calibration_error(&predictions);
        assert!((error - 0.5 / 3.0).abs() < 1e-12, "{error}");
        let score = brier_score(&predictions);
        assert!((score - (0.125 + 1.125) / 3.0).abs() < 1e-12, "{score}");
    }

    #[test]
    fn of_nothing_they_are_zero_and_of_equals_the_first_is_likeliest() {
        assert_eq!(
            (expected_calibration_error(&[]), brier_score(&[])),
            (0.0, 0.0)
        );
        assert_eq!(prediction(&[0.2, 0.4, 0.4], 0).class(), 1);
    }
}
