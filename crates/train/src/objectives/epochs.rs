//! Which batch of which epoch a step trains on.

/// The epoch that a step falls into. Epochs differ in their number of batches, so they are counted through.
#[derive(Debug)]
pub(super) struct Epochs {
    number: u64,
    first_step: u64,
    batches: Vec<Vec<usize>>,
}

impl Epochs {
    /// - `batches`: those of the epoch of a number, none of them empty
    pub(super) fn new(batches: impl Fn(u64) -> Vec<Vec<usize>>) -> Self {
        Self {
            number: 0,
            first_step: 0,
            batches: batches(0),
        }
    }

    /// The batch of a step, as indices.
    pub(super) fn batch(
        &mut self,
        step: u64,
        batches: impl Fn(u64) -> Vec<Vec<usize>>,
    ) -> &[usize] {
        if step < self.first_step {
            *self = Self::new(&batches);
        }
        while step >= self.first_step + self.batches.len() as u64 {
            self.first_step += self.batches.len() as u64;
            self.number += 1;
            self.batches = batches(self.number);
        }
        &self.batches[(step - self.first_step) as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_has_one_batch_whenever_it_is_asked_for() {
        let batches = |epoch: u64| {
            (0..=epoch as usize)
                .map(|i| vec![epoch as usize, i])
                .collect()
        };
        let mut epochs = Epochs::new(batches);
        let expected = [[0, 0], [1, 0], [1, 1], [2, 0], [2, 1], [2, 2]];
        for step in [0, 1, 2, 3, 4, 5, 2, 5, 0] {
            assert_eq!(epochs.batch(step as u64, batches), expected[step]);
        }
    }
}
