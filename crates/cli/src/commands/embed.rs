//! `embed`: a line in, a vector out.

use super::loaded::open_in;
use super::reading::Reader;
use crate::Context;
use crate::arguments::{Embed, PoolingKind};
use crate::error::CliError;
use crate::platform::Platform;
use hearth_infer::embed;
use hearth_model::Pooling;
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Embed, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_in(&options.model, options.precision.get(), context)?;
    let reader = Reader::<P>::new(&loaded, "embed")?;
    let pooling = match options.pooling {
        PoolingKind::Mean => Pooling::Mean,
        PoolingKind::First => Pooling::First,
        PoolingKind::Max => Pooling::Max,
    };
    reader.each_line(
        &options.lines,
        context,
        |texts| embed(reader.model, texts, reader.pad, pooling, &context.device),
        |ids, mut vector| {
            if options.normalize {
                normalize(&mut vector);
            }
            let numbers: Vec<String> = vector.iter().map(f32::to_string).collect();
            let result = json!({ "embedding": vector, "n_tokens": ids.len() });
            context.console.result(&result, numbers.join(" "))
        },
    )
}

/// Makes a vector as long as one; zeros stay zeros.
fn normalize(vector: &mut [f32]) {
    let length = vector
        .iter()
        .map(|x| f64::from(*x).powi(2))
        .sum::<f64>()
        .sqrt();
    if length > 0.0 {
        for value in vector {
            *value = (f64::from(*value) / length) as f32;
        }
    }
}
