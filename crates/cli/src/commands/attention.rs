//! `--attention`: where a model looked, as a picture.

use super::loaded::Loaded;
use crate::Context;
use crate::arguments::Attention;
use crate::error::CliError;
use crate::output::OutputFile;
use crate::platform::{Inference, Platform};
use burn::tensor::backend::Backend;
use hearth_data::TokenId;
use hearth_hub::Model;
use hearth_infer::{
    AttentionChoice, AttentionMap, TokenSource, cross_attention, self_attention, token_labels,
};
use hearth_model::{AttentionSize, Autoregressive, CrossAttention, Gpt, SelfAttention};
use hearth_train::{HeatMap, Shading};

/// Tokens that a side of a picture has at most: more could not be read.
const MAX_SIDE: usize = 200;

/// A picture that was asked for, and can be drawn.
pub(crate) struct Picture {
    file: OutputFile,
    choice: AttentionChoice,
    size: AttentionSize,
}

impl Picture {
    /// None if none was asked for. Everything that can be wrong with it is told before any text is written.
    pub(crate) fn open<B: Backend>(
        options: &Attention,
        loaded: &[Loaded<B>],
    ) -> Result<Option<Self>, CliError> {
        let Some(path) = &options.attention else {
            return Ok(None);
        };
        let [loaded] = loaded else {
            let message = "--attention shows where one model looks, expected one --model";
            return Err(CliError::Usage(message.to_owned()));
        };
        let size = match &loaded.directory.model {
            Model::Gpt(gpt) => gpt.self_attention_size(),
            Model::Transformer(model) => model.cross_attention_size(),
            Model::RnnSeq2Seq(model) => model.cross_attention_size(),
            _ => return Err(without_attention(loaded)),
        };
        if size.n_layers == 0 {
            return Err(without_attention(loaded));
        }
        let within = |option, found: Option<usize>, n: usize| match found {
            Some(found) if found > n => Err(CliError::Usage(format!(
                "{option} is {found}, expected 1 to {n}: {} has no more",
                loaded.path().display()
            ))),
            found => Ok(found.map(|found| found - 1)),
        };
        let layer = within("--attention-layer", options.attention_layer, size.n_layers)?;
        let head = within("--attention-head", options.attention_head, size.n_heads)?;
        Ok(Some(Self {
            file: OutputFile::create(path)?,
            choice: AttentionChoice {
                layer: layer.unwrap_or(size.n_layers - 1),
                head,
            },
            size,
        }))
    }

    /// Draws what was looked at as `written` was written behind or from `read`.
    pub(crate) fn draw<P: Platform>(
        self,
        loaded: &Loaded<Inference<P>>,
        (read, written): (&[TokenId], &[TokenId]),
        context: &Context<P>,
    ) -> Result<(), CliError> {
        let pair = (read, written);
        let map = match &loaded.directory.model {
            Model::Gpt(gpt) => self.of_text(gpt, loaded, &[read, written].concat(), context)?,
            Model::Transformer(model) => self.of_pair(model, loaded, pair, context)?,
            Model::RnnSeq2Seq(model) => self.of_pair(model, loaded, pair, context)?,
            _ => return Err(without_attention(loaded)),
        };
        let Self { mut file, .. } = self;
        let svg = map.svg().map_err(CliError::file("draw", file.path()))?;
        file.write(&svg)?;
        file.finish(context.console)
    }

    /// The text of a gpt looks at itself.
    fn of_text<P: Platform>(
        &self,
        gpt: &Gpt<Inference<P>>,
        loaded: &Loaded<Inference<P>>,
        text: &[TokenId],
        context: &Context<P>,
    ) -> Result<HeatMap, CliError> {
        let mut notes = vec!["each row: where the model looks as it reads that token".to_owned()];
        // What comes later changes nothing of what came before.
        let n = gpt.max_positions().min(MAX_SIDE);
        let shown = cut(text, n, "tokens", &mut notes, context);
        let map = self_attention(gpt, shown, self.choice, &context.device)?;
        let labels = token_labels(loaded.writes(), shown)?;
        Ok(HeatMap {
            title: self.title("self-attention"),
            notes,
            rows: labels.clone(),
            columns: labels,
            weights: map.weights,
            // The first token has but itself to look at, the last one all.
            shading: Shading::SquareRoot,
        })
    }

    /// What is written looks at what was read.
    fn of_pair<P: Platform, M: TokenSource<Inference<P>> + CrossAttention<Inference<P>>>(
        &self,
        model: &M,
        loaded: &Loaded<Inference<P>>,
        (source, target): (&[TokenId], &[TokenId]),
        context: &Context<P>,
    ) -> Result<HeatMap, CliError> {
        let mut notes = vec!["each row: where the model looks as it writes that token".to_owned()];
        let n = model.max_positions().min(MAX_SIDE);
        let target = cut(target, n, "written tokens", &mut notes, context);
        let (special, device) = (loaded.source_tokens()?, &context.device);
        let map = cross_attention(model, source, target, special, self.choice, device)?;
        let shown = cut(source, MAX_SIDE, "source tokens", &mut notes, context);
        Ok(HeatMap {
            title: self.title("cross-attention"),
            notes,
            rows: token_labels(loaded.writes(), target)?,
            columns: token_labels(loaded.directory.tokenizer.as_ref(), shown)?,
            weights: first_columns(&map, shown.len()),
            shading: Shading::Linear,
        })
    }

    fn title(&self, kind: &str) -> String {
        let (AttentionChoice { layer, head }, size) = (self.choice, self.size);
        let heads = match (head, size.n_heads) {
            (_, 1) => String::new(),
            (Some(head), n) => format!(", head {} of {n}", head + 1),
            (None, n) => format!(", mean of {n} heads"),
        };
        match size.n_layers {
            1 => format!("{kind}{heads}"),
            n => format!("{kind}, layer {} of {n}{heads}", layer + 1),
        }
    }
}

/// The first `n` tokens; if that is not all of them, people are told, in the picture too.
fn cut<'a, P: Platform>(
    ids: &'a [TokenId],
    n: usize,
    what: &str,
    notes: &mut Vec<String>,
    context: &Context<P>,
) -> &'a [TokenId] {
    if ids.len() <= n {
        return ids;
    }
    let note = format!("the first {n} of {} {what}", ids.len());
    context.console.say(format!("--attention shows {note}"));
    notes.push(note);
    &ids[..n]
}

fn first_columns(map: &AttentionMap, n: usize) -> Vec<f32> {
    let rows = map.weights.chunks(map.n_keys);
    rows.flat_map(|row| &row[..n]).copied().collect()
}

fn without_attention<B: Backend>(loaded: &Loaded<B>) -> CliError {
    CliError::Usage(format!(
        "--attention: {} is a model without attention ({}), expected a gpt, a transformer, or an rnn-seq2seq with attention",
        loaded.path().display(),
        loaded.directory.config.architecture()
    ))
}
