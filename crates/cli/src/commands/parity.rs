//! `parity`: whether this device computes what the reference models' libraries computed.
//!
//! A reference is a model directory with a `reference.safetensors` beside the weights (inputs, outputs, and texts decoded
//! greedily and by beam search) and perhaps a `training.safetensors` (a batch, the gradient of every parameter on it, and
//! the losses of twenty optimiser steps). Every backend goes through this one harness, so that their numbers compare.

mod batching;
mod decoding;
mod steps;
mod training;

use super::forward::{Inputs, forward, largest_difference};
use super::loaded::open;
use crate::Context;
use crate::arguments::Parity;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use serde_json::json;
use std::path::Path;

/// What one case came to.
pub(super) struct Case {
    name: &'static str,
    value: f64,
    /// The most that passes: single precision over another order of summation, with room for a device whose exponential
    /// is a few units in the last place off.
    limit: f64,
}

impl Case {
    /// Largest difference of an output, or of a score.
    fn absolute(name: &'static str, value: f64) -> Self {
        Self {
            name,
            value,
            limit: 1e-4,
        }
    }

    /// Tokens of a decoded text that differ.
    fn ids(name: &'static str, n_different: usize) -> Self {
        Self {
            name,
            value: n_different as f64,
            limit: 0.0,
        }
    }

    /// Relative difference of what twenty steps, or one backward pass, add up.
    fn relative(name: &'static str, value: f64) -> Self {
        Self {
            name,
            value,
            limit: 1e-3,
        }
    }

    fn passes(&self) -> bool {
        // Not so for NaN.
        self.value <= self.limit
    }
}

pub(crate) fn run<P: Platform>(options: &Parity, context: &Context<P>) -> Result<(), CliError> {
    let mut n_failed = 0;
    for directory in &options.references {
        let name = directory
            .file_name()
            .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
        let mut cases = vec![Case::absolute("logits", outputs(directory, context)?)];
        cases.extend(steps::cases(directory, context)?);
        cases.extend(decoding::cases(directory, context)?);
        cases.extend(batching::case(directory, options.prompts, context)?);
        cases.extend(training::cases(directory, context)?);
        for case in cases {
            let passes = case.passes();
            n_failed += usize::from(!passes);
            let result = json!({
                "backend": P::NAME,
                "device": context.device_name,
                "model": name,
                "case": case.name,
                "value": case.value,
                "limit": case.limit,
                "passes": passes,
            });
            let verdict = if passes { "" } else { "  FAILS" };
            let text = format!(
                "{name:20} {:16} {:9.1e}  at most {:.0e}{verdict}",
                case.name, case.value, case.limit
            );
            context.console.result(&result, text)?;
        }
    }
    match n_failed {
        0 => Ok(()),
        n_cases => Err(CliError::NotEqual {
            backend: P::NAME,
            device: context.device_name.clone(),
            n_cases,
        }),
    }
}

/// The largest difference to the reference's outputs: of all that it has, the first of which it must have.
fn outputs<P: Platform>(directory: &Path, context: &Context<P>) -> Result<f64, CliError> {
    let loaded = open(directory, context)?;
    let path = directory.join("reference.safetensors");
    let inputs = Inputs::read(&path)?;
    let outputs = forward::<Inference<P>>(&loaded.directory.model, &inputs, &context.device)?;
    let mut largest = 0f64;
    for (number, (name, output)) in outputs.iter().enumerate() {
        if number > 0 && !inputs.has(name) {
            continue;
        }
        let expected = inputs.get(name, output.shape.num_dims())?;
        let difference = largest_difference(expected, output).ok_or_else(|| {
            let (found, expected) = (output.shape.to_vec(), expected.shape.to_vec());
            let problem = format!("its shape is {expected:?}, the model's output has {found:?}");
            inputs.error(name, problem)
        })?;
        // A NaN stays: `max` would lose it.
        let difference = f64::from(difference);
        if difference.is_nan() || difference > largest {
            largest = difference;
        }
    }
    Ok(largest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_does_not_pass() {
        assert!(Case::absolute("logits", 1e-4).passes());
        assert!(!Case::absolute("logits", 1.1e-4).passes());
        assert!(!Case::absolute("logits", f64::NAN).passes());
        assert!(!Case::ids("greedy ids", 1).passes());
    }
}
