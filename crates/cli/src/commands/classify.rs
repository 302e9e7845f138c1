//! `classify`: a line of text or an image in, the name of its class out, by one model or several.

use super::classifiers::{ImageClassifiers, TextClassifiers};
use super::loaded::{Loaded, open_all};
use crate::Context;
use crate::arguments::Classify;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use hearth_data::read_image;
use hearth_hub::Model;
use hearth_infer::likeliest;
use serde_json::json;

pub(crate) fn run<P: Platform>(options: &Classify, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let first = &loaded[0];
    if let Model::Vit(_) = &first.directory.model {
        let models = ImageClassifiers::<P>::new(&loaded, &options.models, "classify")?;
        return images(&models, first, options, context);
    }
    if !options.images.is_empty() {
        return Err(first.wrong_model("classify", "a model of images"));
    }
    let models = TextClassifiers::<P>::new(&loaded, &options.models, "classify")?;
    models.reader().each_line(
        &options.lines,
        context,
        |texts| models.probabilities(texts, context),
        |_, probabilities| tell(first, &probabilities, options.top, None, context),
    )
}

fn images<P: Platform>(
    models: &ImageClassifiers<'_, P>,
    first: &Loaded<Inference<P>>,
    options: &Classify,
    context: &Context<P>,
) -> Result<(), CliError> {
    let paths = &options.images;
    if paths.is_empty() {
        let given = "classify by a model of images needs image files: PNG, JPEG or PNM";
        return Err(CliError::Usage(given.to_owned()));
    }
    let config = first.directory.pixel_config().unwrap_or_default();
    let (n, batch_size) = (paths.len(), options.lines.batches.batch_size);
    let paths = &paths[options.lines.sharding.shard()?.of(n, batch_size)];
    let mut progress = Progress::new(context.console, paths.len() as u64);
    let mut done = 0;
    for batch in paths.chunks(batch_size) {
        let mut images = Vec::with_capacity(batch.len());
        for path in batch {
            images.push(config.values(&config.prepare(read_image(path)?)));
        }
        let found = models.probabilities(&images, context)?;
        for (path, probabilities) in batch.iter().zip(&found) {
            let name = path.display().to_string();
            let name = Some(name.as_str()).filter(|_| n > 1 || context.console.json);
            tell(first, probabilities, options.top, name, context)?;
        }
        done += batch.len() as u64;
        progress.update(done, paths.len() as u64, || "images".to_owned());
    }
    progress.finish();
    Ok(())
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
