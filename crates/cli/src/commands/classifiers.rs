//! Models that name a class, one or several as one.

use super::loaded::{Loaded, weighed};
use super::reading::Reader;
use crate::Context;
use crate::arguments::Models;
use crate::error::CliError;
use crate::platform::{Inference, Platform};
use hearth_data::TokenId;
use hearth_hub::Model;
use hearth_infer::{InferError, Mixture, classify, classify_images, mix_classes};
use hearth_model::Vit;
use std::{iter, mem};

/// Models of texts.
pub(super) struct TextClassifiers<'a, P: Platform> {
    readers: Vec<(Reader<'a, P>, f64)>,
    mixture: Mixture,
}

impl<'a, P: Platform> TextClassifiers<'a, P> {
    pub(super) fn new(
        loaded: &'a [Loaded<Inference<P>>],
        options: &Models,
        command: &'static str,
    ) -> Result<Self, CliError> {
        let (first, others) = weighed(loaded, options)?;
        let mut readers = Vec::with_capacity(loaded.len());
        for (loaded, weight) in iter::once((first, 1.0)).chain(others) {
            let reader = Reader::<P>::new(loaded, command)?;
            if reader.model.n_classes().is_none() {
                return Err(loaded.wrong_model(command, "a head that names a class"));
            }
            readers.push((reader, weight));
        }
        let mixture = options.mixture.into();
        Ok(Self { readers, mixture })
    }

    /// What makes tokens of text, no longer than every model reads.
    pub(super) fn reader(&self) -> Reader<'a, P> {
        let shortest = self.readers.iter().map(|(reader, _)| reader.limit).min();
        Reader {
            limit: shortest.unwrap_or(0),
            ..self.readers[0].0
        }
    }

    /// How probable each class is for each text.
    pub(super) fn probabilities(
        &self,
        texts: &[Vec<TokenId>],
        context: &Context<P>,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        let found = self.readers.iter().map(|(reader, weight)| {
            let found = classify(reader.model, texts, reader.pad, &context.device)?;
            Ok((found.unwrap_or_default(), *weight))
        });
        mixed(found, self.mixture)
    }
}

/// Models of images.
pub(super) struct ImageClassifiers<'a, P: Platform> {
    models: Vec<(&'a Vit<Inference<P>>, f64)>,
    mixture: Mixture,
}

impl<'a, P: Platform> ImageClassifiers<'a, P> {
    pub(super) fn new(
        loaded: &'a [Loaded<Inference<P>>],
        options: &Models,
        command: &'static str,
    ) -> Result<Self, CliError> {
        let (first, others) = weighed(loaded, options)?;
        let mut models = Vec::with_capacity(loaded.len());
        for (loaded, weight) in iter::once((first, 1.0)).chain(others) {
            match &loaded.directory.model {
                Model::Vit(model) => models.push((model, weight)),
                _ => return Err(loaded.wrong_model(command, "a model of images, as the first is")),
            }
        }
        let mixture = options.mixture.into();
        Ok(Self { models, mixture })
    }

    /// How probable each class is for each image.
    pub(super) fn probabilities(
        &self,
        images: &[Vec<f32>],
        context: &Context<P>,
    ) -> Result<Vec<Vec<f32>>, InferError> {
        let found = self.models.iter().map(|(model, weight)| {
            let found = classify_images(*model, images, &context.device)?;
            Ok((found, *weight))
        });
        mixed(found, self.mixture)
    }
}

/// What all models find of each thing, from what each finds of all, with its weight.
fn mixed(
    members: impl Iterator<Item = Result<(Vec<Vec<f32>>, f64), InferError>>,
    mixture: Mixture,
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
        mix_classes(&found, mixture)
    };
    Ok((0..n).map(of).collect())
}
