//! What a model makes of data, by the metrics of its task.

use super::Report;
use super::classes::ClassMetrics;
use super::texts::{Lines, TextMetrics};
use crate::Context;
use crate::arguments::{Evaluate, MetricKind};
use crate::commands::classifiers::{ImageClassifiers, TextClassifiers};
use crate::commands::decoding::{writing, written};
use crate::commands::hearer::Hearer;
use crate::commands::loaded::{Loaded, Writer, open_all, writer};
use crate::commands::score::WholeText;
use crate::commands::transcribe::hear;
use crate::commands::translator::Translator;
use crate::error::CliError;
use crate::interrupt::Interrupt;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use burn::tensor::backend::Backend;
use hearth_data::{
    ConfusionMatrix, LabelledImages, LabelledText, PairCorpus, Prediction, Segment, SpeechCorpus,
    TextCorpus,
};
use hearth_hub::Model;
use hearth_infer::{InferError, PairTokens, TokenSource};
use hearth_model::{Autoregressive, Conditional, LanguageModel};
use std::path::Path;

/// The command's name in errors.
const COMMAND: &str = "evaluate";

pub(crate) fn run<P: Platform>(options: &Evaluate, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_all(&options.models, context)?;
    let model = &loaded[0].directory.model;
    if let Model::SpeechToText(_) = model {
        return recordings(&loaded, options, context);
    }
    if options.hearing.ctc_weight.is_some() {
        return Err(loaded[0].wrong_model("--ctc-weight", "a model that reads speech"));
    }
    match model {
        Model::Bert(_) => return texts(&loaded, options, context),
        Model::Vit(_) => return images(&loaded, options, context),
        _ => {}
    }
    match writer(&loaded, &options.models, COMMAND)? {
        Writer::Language(model) => text(&model, &loaded[0], options, context),
        Writer::Conditional(model, special) => {
            pairs((&model, special), &loaded[0], options, context)
        }
    }
}

/// Perplexity and bits per byte of text.
fn text<P: Platform, M: LanguageModel<Inference<P>>>(
    model: &M,
    loaded: &Loaded<Inference<P>>,
    options: &Evaluate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let judging = &options.judging;
    let is_of_texts = !judging.metric.is_empty() || judging.alignment.is_some();
    if is_of_texts || judging.confusion.is_some() || options.output.is_some() {
        let message = "a language model is judged by its perplexity: expected no --metric, --alignment, --confusion, --output";
        return Err(CliError::Usage(message.to_owned()));
    }
    let tokenizer = loaded.tokenizer("evaluate reads text")?;
    let corpus = TextCorpus::read(&options.data)?;
    let whole = WholeText {
        text: corpus.text(),
        path: first_path(options),
        stride: None,
        n_models: options.models.paths.len(),
    };
    let (_, scores, n_bytes) = whole.score(model, tokenizer, context)?;
    let total = scores.total();
    let (perplexity, bits) = (total.perplexity(), total.bits_per_byte(n_bytes));
    let mut report = Report::default();
    report.put("n_tokens", total.n_tokens);
    report.put("n_bytes", n_bytes);
    report.put("perplexity", perplexity);
    report.put("bits_per_byte", bits);
    report.line(format!(
        "perplexity {perplexity:.4} over {} tokens",
        total.n_tokens
    ));
    report.line(format!("bits per byte {bits:.4}"));
    report.tell(context.console)
}

/// BLEU and chrF of translations.
fn pairs<P: Platform, M: TokenSource<Inference<P>>>(
    model: (&M, PairTokens),
    loaded: &Loaded<Inference<P>>,
    options: &Evaluate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let usual = &[MetricKind::Bleu, MetricKind::Chrf];
    let metrics = TextMetrics::new(&options.judging, usual, 1)?;
    let translator = Translator::new(model, loaded, &options.writing, 1, context)?;
    let corpus = PairCorpus::read(&options.data)?;
    say_left_out(corpus.n_skipped, context);
    let sources: Vec<&str> = corpus.pairs.iter().map(|pair| &*pair.source).collect();
    let mut lines = Lines::create(options.output.as_deref())?;
    let interrupt = Interrupt::catch()?;
    let mut hypotheses = Vec::with_capacity(sources.len());
    translator.each_line(
        &sources,
        options.batches.batch_size,
        &interrupt,
        |error, line_of| at_row(error, first_path(options), |row| line_of(row) + 1),
        |_, texts| {
            let ids = texts.first().map_or(&[][..], |best| &best.ids);
            let text = translator.text(ids)?;
            lines.write(&text)?;
            hypotheses.push(text);
            Ok(())
        },
    )?;
    lines.finish(context.console)?;
    interrupt.check()?;
    let segments = hypotheses.iter().zip(&corpus.pairs);
    let segments = segments.map(|(hypothesis, pair)| segment(hypothesis, &pair.target));
    metrics.tell(&segments.collect::<Vec<_>>(), context.console)
}

/// Error rates of transcripts.
fn recordings<P: Platform>(
    all: &[Loaded<Inference<P>>],
    options: &Evaluate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let usual = &[MetricKind::Wer, MetricKind::Cer];
    let metrics = TextMetrics::new(&options.judging, usual, 1)?;
    let hearer = Hearer::new(all, &options.models, options.hearing.ctc_weight, COMMAND)?;
    let (model, start) = (hearer.model()?, hearer.start);
    let loaded = &all[0];
    let tokenizer = loaded.tokenizer("evaluate writes text")?;
    let decode = writing(&options.writing, 1, model.max_positions(), loaded)?;
    let features = loaded.features(model.source_size());
    let mut utterances = Vec::new();
    for path in &options.data {
        utterances.extend(SpeechCorpus::read(path, &features, 1.0)?.utterances);
    }
    let mut lines = Lines::create(options.output.as_deref())?;
    let interrupt = Interrupt::catch()?;
    let mut progress = Progress::new(context.console, utterances.len() as u64);
    let mut hypotheses = Vec::with_capacity(utterances.len());
    for utterance in &utterances {
        let path = Path::new(&utterance.name);
        let frames = &utterance.frames;
        let heard = hear((&model, start), frames, path, &decode, &interrupt, context)?;
        if interrupt.flow().is_break() {
            break;
        }
        let ids = heard.map_or(Vec::new(), |best| best.ids);
        let text = written(&ids, tokenizer, &decode)?.trim().to_owned();
        lines.write(&text)?;
        hypotheses.push(text);
        let (done, n) = (hypotheses.len() as u64, utterances.len() as u64);
        progress.update(done, n, || "recordings".to_owned());
    }
    progress.finish();
    lines.finish(context.console)?;
    interrupt.check()?;
    let segments = hypotheses.iter().zip(&utterances);
    let segments = segments.map(|(hypothesis, said)| segment(hypothesis, &said.text));
    metrics.tell(&segments.collect::<Vec<_>>(), context.console)
}

/// Accuracy of the classes of texts.
fn texts<P: Platform>(
    all: &[Loaded<Inference<P>>],
    options: &Evaluate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let metrics = ClassMetrics::new(&options.judging)?;
    let models = TextClassifiers::<P>::new(all, &options.models, COMMAND)?;
    let names = names(&all[0]);
    let corpus = LabelledText::read_with_labels(&options.data, &names)?;
    say_left_out(corpus.n_skipped, context);
    let texts: Vec<&str> = corpus.rows.iter().map(|row| &*row.text).collect();
    let mut found = Vec::with_capacity(texts.len());
    models.reader().each_text(
        &texts,
        options.batches,
        context,
        |error, row| at_row(error, first_path(options), |in_batch| row + in_batch + 1),
        |texts| models.probabilities(texts, context),
        |_, probabilities| {
            found.push(probabilities);
            Ok(())
        },
    )?;
    let labels = corpus.rows.iter().map(|row| row.label);
    judge(
        found.into_iter().zip(labels),
        &names,
        metrics,
        options,
        context,
    )
}

/// Accuracy of the classes of images.
fn images<P: Platform>(
    all: &[Loaded<Inference<P>>],
    options: &Evaluate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let metrics = ClassMetrics::new(&options.judging)?;
    let models = ImageClassifiers::<P>::new(all, &options.models, COMMAND)?;
    let names = names(&all[0]);
    let config = all[0].directory.pixel_config().unwrap_or_default();
    let corpus = LabelledImages::read_with_labels(&options.data, &config, &names)?;
    let n = corpus.images.len();
    let mut progress = Progress::new(context.console, n as u64);
    let mut found = Vec::with_capacity(n);
    for batch in corpus.images.chunks(options.batches.batch_size) {
        let images: Vec<_> = batch.iter().map(|one| config.values(&one.image)).collect();
        found.extend(models.probabilities(&images, context)?);
        progress.update(found.len() as u64, n as u64, || "images".to_owned());
    }
    progress.finish();
    let labels = corpus.images.iter().map(|one| one.label);
    judge(
        found.into_iter().zip(labels),
        &names,
        metrics,
        options,
        context,
    )
}

/// The metrics of probabilities, each beside the class that is right.
fn judge<P: Platform>(
    found: impl Iterator<Item = (Vec<f32>, usize)>,
    names: &[String],
    metrics: ClassMetrics,
    options: &Evaluate,
    context: &Context<P>,
) -> Result<(), CliError> {
    let mut matrix = ConfusionMatrix::new(names.len());
    let mut lines = Lines::create(options.output.as_deref())?;
    let mut predictions = Vec::new();
    for (probabilities, label) in found {
        let prediction = Prediction {
            probabilities,
            label,
        };
        let class = prediction.class();
        matrix.add(label, class);
        lines.write(&names[class])?;
        predictions.push(prediction);
    }
    lines.finish(context.console)?;
    metrics.tell(names, &matrix, &predictions, context.console)
}

/// The names of all classes.
fn names<B: Backend>(loaded: &Loaded<B>) -> Vec<String> {
    let directory = &loaded.directory;
    let n_classes = match &directory.model {
        Model::Bert(model) => model.n_classes().unwrap_or(0),
        Model::Vit(model) => model.n_classes(),
        _ => 0,
    };
    (0..n_classes).map(|class| directory.label(class)).collect()
}

fn segment<'a>(hypothesis: &'a str, reference: &'a str) -> Segment<'a> {
    Segment {
        hypothesis,
        references: vec![reference],
    }
}

/// What errors call the data.
fn first_path(options: &Evaluate) -> &Path {
    options.data.first().map_or(Path::new(""), |path| path)
}

fn say_left_out<P: Platform>(n_skipped: usize, context: &Context<P>) {
    if n_skipped > 0 {
        let line = format!("left out because a side is empty: {n_skipped}");
        context.console.say(line);
    }
}

/// The error with the example of the data it is about, counted from 1 among those that are not left out.
fn at_row(error: InferError, path: &Path, row_of: impl Fn(usize) -> usize) -> CliError {
    match error {
        InferError::TooLong { row, .. } | InferError::Empty { row, .. } => CliError::Row {
            path: path.to_owned(),
            row: row_of(row),
            error,
        },
        error => error.into(),
    }
}
