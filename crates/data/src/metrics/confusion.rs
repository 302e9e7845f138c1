//! Which classes are taken for which, and the scores that follow from it.

/// How often each class was taken for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfusionMatrix {
    counts: Vec<Vec<usize>>,
}

/// How well one class is told from the others.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassScores {
    /// Of what was taken for it, the part that is; 0 where nothing was.
    pub precision: f64,
    /// Of what it is, the part that was taken for it; 0 where it never is.
    pub recall: f64,
    /// The harmonic mean of both.
    pub f1: f64,
    /// How often it is.
    pub support: usize,
}

impl ConfusionMatrix {
    /// A matrix of nothing yet.
    pub fn new(n_classes: usize) -> Self {
        Self {
            counts: vec![vec![0; n_classes]; n_classes],
        }
    }

    /// Counts one thing that is of the class `label` and was taken for `predicted`.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    pub fn add(&mut self, label: usize, predicted: usize) {
        let n_classes = self.counts.len();
        assert!(
            label < n_classes && predicted < n_classes,
            "class {label} taken for {predicted}, of {n_classes} classes"
        );
        self.counts[label][predicted] += 1;
    }

    /// `[label][predicted]`.
    pub fn counts(&self) -> &[Vec<usize>] {
        &self.counts
    }

    /// How many things were counted.
    pub fn n(&self) -> usize {
        self.counts.iter().flatten().sum()
    }

    /// The part that was taken for what it is; 0 of nothing.
    pub fn accuracy(&self) -> f64 {
        let right = (0..self.counts.len()).map(|class| self.counts[class][class]);
        ratio(right.sum(), self.n())
    }

    /// The mean F1 of the classes that occur, as a label or as a prediction; scikit-learn's `f1_score(average="macro")`.
    pub fn macro_f1(&self) -> f64 {
        let there = (0..self.counts.len())
            .filter(|class| self.support(*class) + self.n_predicted(*class) > 0);
        let f1: Vec<f64> = there.map(|class| self.class(class).f1).collect();
        f1.iter().sum::<f64>() / f1.len().max(1) as f64
    }

    /// The scores of one class.
    ///
    /// # Panics
    ///
    /// If there is no such class.
    pub fn class(&self, class: usize) -> ClassScores {
        let right = self.counts[class][class];
        let (support, n_predicted) = (self.support(class), self.n_predicted(class));
        ClassScores {
            precision: ratio(right, n_predicted),
            recall: ratio(right, support),
            f1: ratio(2 * right, support + n_predicted),
            support,
        }
    }

    fn support(&self, class: usize) -> usize {
        self.counts[class].iter().sum()
    }

    fn n_predicted(&self, class: usize) -> usize {
        self.counts.iter().map(|row| row[class]).sum()
    }
}

fn ratio(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix(counts: [[usize; 3]; 3]) -> ConfusionMatrix {
        let mut matrix = ConfusionMatrix::new(3);
        for (label, row) in counts.iter().enumerate() {
            for (predicted, n) in row.iter().enumerate() {
                (0..*n).for_each(|_| matrix.add(label, predicted));
            }
        }
        matrix
    }

    #[test]
    fn scores_worked_out_by_hand() {
        let matrix = matrix([[4, 1, 0], [2, 3, 0], [0, 0, 0]]);
        assert_eq!((matrix.n(), matrix.accuracy()), (10, 0.7));
        let first = matrix.class(0);
        assert_eq!(
            (first.precision, first.recall, first.support),
            (4.0 / 6.0, 0.8, 5)
        );
        assert!((first.f1 - 8.0 / 11.0).abs() < 1e-12);
        // The third class never occurs.
        assert!((matrix.macro_f1() - (8.0 / 11.0 + 6.0 / 9.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn of_nothing_all_is_zero() {
        let matrix = ConfusionMatrix::new(2);
        assert_eq!((matrix.accuracy(), matrix.macro_f1()), (0.0, 0.0));
        assert_eq!(matrix.class(1).f1, 0.0);
    }
}
