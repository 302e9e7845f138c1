//! `classify`: a line of text in, the name of its class out.

use super::loaded::{Loaded, open};
use super::reading::Reader;
use crate::Context;
use crate::arguments::Classify;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use hearth_infer::{classify, likeliest};
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Classify, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open(&options.lines.model, context)?;
    let reader = Reader::<P>::new(&loaded, "classify")?;
    if reader.model.n_classes().is_none() {
        return Err(loaded.wrong_model("classify", "a head that names a class"));
    }
    reader.each_line(
        &options.lines,
        context,
        |texts| {
            let found = classify(reader.model, texts, reader.pad, &context.device)?;
            Ok(found.unwrap_or_default())
        },
        |_, probabilities| tell(&loaded, &probabilities, options.top, None, context),
    )
}

/// The likeliest classes, after the name of what they are of.
fn tell<P: Platform>(
    loaded: &Loaded<Inference<P>>,
    probabilities: &[f32],
    top: usize,
    name: Option<&str>,
    context: &Context<P>,
) -> Result<(), CliError> {
    let classes: Vec<(String, f32)> = likeliest(probabilities, top)
        .into_iter()
        .map(|class| (loaded.directory.label(class), probabilities[class]))
        .collect();
    let (label, probability) = classes.first().cloned().unwrap_or_default();
    let mut result = json!({ "label": label, "probability": probability });
    let mut shown: Vec<String> = name.map(str::to_owned).into_iter().collect();
    shown.extend(
        classes
            .iter()
            .map(|(label, probability)| format!("{label}\t{probability:.4}")),
    );
    if top > 1 {
        let all = classes
            .iter()
            .map(|(label, probability)| json!({ "label": label, "probability": probability }));
        result["classes"] = all.collect();
    }
    if let Some(name) = name {
        result["path"] = name.into();
    }
    context.console.result(&result, shown.join("\t"))
}
