//! `classify`: a line of text or an image in, the name of its class out, by one model or several.

use super::loaded::{Loaded, Weighed, open_all, weighed};
use super::reading::Reader;
use crate::Context;
use crate::arguments::Classify;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use hearth_data::read_image;
use hearth_hub::Model;
use hearth_infer::{InferError, classify, classify_images, likeliest, mix_classes};
use serde_json::json;
use std::{iter, mem};

pub(crate) fn run<P: Platform>(options: &Classify, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let (first, others) = weighed(&loaded, &options.models)?;
    let members: Vec<_> = iter::once((first, 1.0)).chain(others).collect();
    if let Model::Vit(_) = &first.directory.model {
        return images(&members, options, context);
    }
    if !options.images.is_empty() {
        return Err(first.wrong_model("classify", "a model of images"));
    }
    let mut readers = Vec::with_capacity(members.len());
    for (loaded, weight) in &members {
        let reader = Reader::<P>::new(loaded, "classify")?;
        if reader.model.n_classes().is_none() {
            return Err(loaded.wrong_model("classify", "a head that names a class"));
        }
        readers.push((reader, *weight));
    }
    let shortest = readers.iter().map(|(reader, _)| reader.limit).min();
    let reader = Reader {
        limit: shortest.unwrap_or(0),
        ..readers[0].0
    };
    reader.each_line(
        &options.lines,
        context,
        |texts| {
            let found = readers.iter().map(|(reader, weight)| {
                let found = classify(reader.model, texts, reader.pad, &context.device)?;
                Ok((found.unwrap_or_default(), *weight))
            });
            mixed(found, options)
        },
        |_, probabilities| tell(first, &probabilities, options.top, None, context),
    )
}

fn images<P: Platform>(
    members: &[Weighed<'_, Inference<P>>],
    options: &Classify,
    context: &Context<P>,
) -> Result<(), CliError> {
    let paths = &options.images;
    if paths.is_empty() {
        let given = "classify by a model of images needs image files: PNG, JPEG or PNM";
        return Err(CliError::Usage(given.to_owned()));
    }
    let mut models = Vec::with_capacity(members.len());
    for (loaded, weight) in members {
        match &loaded.directory.model {
            Model::Vit(model) => models.push((model, *weight)),
            _ => return Err(loaded.wrong_model("classify", "a model of images, as the first is")),
        }
    }
    let first = members[0].0;
    let config = first.directory.pixel_config().unwrap_or_default();
    let (n, batch_size) = (paths.len(), options.lines.batch_size);
    let paths = &paths[options.lines.sharding.shard()?.of(n, batch_size)];
    let mut progress = Progress::new(context.console, paths.len() as u64);
    let mut done = 0;
    for batch in paths.chunks(batch_size) {
        let mut images = Vec::with_capacity(batch.len());
        for path in batch {
            images.push(config.values(&config.prepare(read_image(path)?)));
        }
        let found = models.iter().map(|(model, weight)| {
            let found = classify_images(*model, &images, &context.device)?;
            Ok((found, *weight))
        });
        let found = mixed(found, options)?;
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

/// What all models find of each thing, from what each finds of all, with its weight.
fn mixed(
    members: impl Iterator<Item = Result<(Vec<Vec<f32>>, f64), InferError>>,
    options: &Classify,
) -> Result<Vec<Vec<f32>>, InferError> {
    let mut members = members.collect::<Result<Vec<_>, _>>()?;
    if let [(alone, _)] = members.as_mut_slice() {
        return Ok(mem::take(alone));
    }
    let n = members.first().map_or(0, |(rows, _)| rows.len());
    let of = |row: usize| {
        let found: Vec<_> = members
            .iter()
            .map(|(rows, weight)| (rows[row].clone(), *weight))
            .collect();
        mix_classes(&found, options.models.mixture.into())
    };
    Ok((0..n).map(of).collect())
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
