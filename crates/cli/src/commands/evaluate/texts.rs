//! Metrics of texts beside what they should be.

use super::Report;
use crate::arguments::{Judging, MetricKind};
use crate::console::Console;
use crate::error::CliError;
use crate::output::OutputFile;
use hearth_data::{AlignedText, Bleu, Chrf, Edit, ErrorCounts, Segment, Transcript};
use serde_json::{Map, Value};
use std::path::Path;

/// What texts are judged by.
#[derive(Debug)]
pub(super) struct TextMetrics<'a> {
    kinds: &'a [MetricKind],
    options: &'a Judging,
    alignment: Option<OutputFile>,
}

impl<'a> TextMetrics<'a> {
    /// - `usual`: what texts are judged by where nothing is said
    /// - `n_references`: of each text
    pub(super) fn new(
        options: &'a Judging,
        usual: &'static [MetricKind],
        n_references: usize,
    ) -> Result<Self, CliError> {
        let kinds = match options.metric.as_slice() {
            [] => usual,
            kinds => kinds,
        };
        let of_errors = kinds.iter().any(|kind| kind.counts_errors());
        if of_errors && n_references > 1 {
            return Err(CliError::Usage(format!(
                "--metric wer and cer count errors beside one reference, found {n_references}"
            )));
        }
        if kinds.iter().any(|kind| kind.is_of_labels()) {
            let message = "--metric accuracy and macro-f1 are of labels, found other texts";
            return Err(CliError::Usage(message.to_owned()));
        }
        if options.confusion.is_some() {
            let message = "--confusion shows classes, found texts";
            return Err(CliError::Usage(message.to_owned()));
        }
        if options.alignment.is_some() && !of_errors {
            let message = "--alignment shows errors, expected --metric wer or cer";
            return Err(CliError::Usage(message.to_owned()));
        }
        let alignment = options.alignment.as_deref();
        Ok(Self {
            kinds,
            options,
            alignment: alignment.map(OutputFile::create).transpose()?,
        })
    }

    /// The metrics of texts, each with its references.
    pub(super) fn tell(self, segments: &[Segment<'_>], console: Console) -> Result<(), CliError> {
        let mut report = Report::default();
        let mut signatures = Map::new();
        report.put("n", segments.len());
        let n_references = segments.first().map_or(0, |first| first.references.len());
        let lowercase = self.options.lowercase;
        let all = || segments.iter().cloned();
        for kind in self.kinds {
            match kind {
                MetricKind::Bleu => {
                    let bleu = Bleu {
                        tokenization: self.options.tokenization(),
                        lowercase,
                    };
                    let score = bleu.corpus(all());
                    let signature = bleu.signature(n_references);
                    report.put("bleu", score.score);
                    let precisions = score.precisions.map(|p| format!("{p:.1}")).join("/");
                    report.line(format!(
                        "bleu {:.2}  {precisions} (brevity penalty {:.3}, {} words for {})  {signature}",
                        score.score, score.brevity_penalty, score.hypothesis_len, score.reference_len
                    ));
                    signatures.insert("bleu".to_owned(), signature.into());
                }
                MetricKind::Chrf | MetricKind::ChrfPlusPlus => {
                    let (name, word_order) = match kind {
                        MetricKind::Chrf => ("chrf", 0),
                        _ => ("chrf++", 2),
                    };
                    let chrf = Chrf {
                        word_order,
                        lowercase,
                    };
                    let (score, signature) = (chrf.corpus(all()), chrf.signature(n_references));
                    report.put(name, score);
                    report.line(format!("{name} {score:.2}  {signature}"));
                    signatures.insert(name.to_owned(), signature.into());
                }
                MetricKind::Wer => {
                    report.errors("wer", self.errors(segments, |text| text.words()));
                }
                MetricKind::Cer => {
                    report.errors("cer", self.errors(segments, |text| text.characters()));
                }
                MetricKind::Accuracy | MetricKind::MacroF1 => {}
            }
        }
        if !signatures.is_empty() {
            report.put("signature", Value::Object(signatures));
        }
        self.align(segments, console)?;
        report.tell(console)
    }

    fn errors(
        &self,
        segments: &[Segment<'_>],
        cut: for<'t> fn(&Transcript<'t>) -> AlignedText<'t>,
    ) -> ErrorCounts {
        let counts = |segment| self.with_case(segment, |transcript| cut(&transcript).counts());
        segments.iter().map(counts).sum()
    }

    /// Writes down what is wrong where, word by word unless only characters are asked for.
    fn align(mut self, segments: &[Segment<'_>], console: Console) -> Result<(), CliError> {
        let Some(mut file) = self.alignment.take() else {
            return Ok(());
        };
        let by_words = self.kinds.contains(&MetricKind::Wer);
        let shown = |transcript: Transcript<'_>| {
            let aligned = match by_words {
                true => transcript.words(),
                false => transcript.characters(),
            };
            let is_right = aligned.edits().iter().all(|edit| *edit == Edit::Hit);
            (!is_right).then(|| aligned.to_string())
        };
        for (line, segment) in (1..).zip(segments) {
            if let Some(text) = self.with_case(segment, shown) {
                file.write(&format!("line {line}\n{text}\n\n"))?;
            }
        }
        file.finish(console)
    }

    /// The first reference and the hypothesis, as they are to be compared.
    fn with_case<T>(&self, segment: &Segment<'_>, of: impl Fn(Transcript<'_>) -> T) -> T {
        let reference = segment.references.first().copied().unwrap_or_default();
        let hypothesis = segment.hypothesis;
        match self.options.lowercase {
            false => of(Transcript {
                reference,
                hypothesis,
            }),
            true => of(Transcript {
                reference: &reference.to_lowercase(),
                hypothesis: &hypothesis.to_lowercase(),
            }),
        }
    }
}

impl Report {
    fn errors(&mut self, name: &str, counts: ErrorCounts) {
        let rate = counts.rate();
        self.put(name, rate);
        self.line(format!(
            "{name} {:.2} %  of {}: {} substitutions, {} insertions, {} deletions",
            100.0 * rate,
            counts.n_reference(),
            counts.substitutions,
            counts.insertions,
            counts.deletions
        ));
    }
}

impl MetricKind {
    /// Of labels, not of texts.
    pub(super) fn is_of_labels(self) -> bool {
        matches!(self, Self::Accuracy | Self::MacroF1)
    }

    fn counts_errors(self) -> bool {
        matches!(self, Self::Wer | Self::Cer)
    }
}

/// A file that gets a line each, if one was asked for.
pub(super) struct Lines(Option<OutputFile>);

impl Lines {
    pub(super) fn create(path: Option<&Path>) -> Result<Self, CliError> {
        path.map(OutputFile::create).transpose().map(Self)
    }

    pub(super) fn write(&mut self, line: &str) -> Result<(), CliError> {
        match &mut self.0 {
            // What a model writes may be several lines; its file has one for each text.
            Some(file) => file.write(&format!("{}\n", line.replace(['\n', '\r'], " "))),
            None => Ok(()),
        }
    }

    pub(super) fn finish(self, console: Console) -> Result<(), CliError> {
        self.0.map_or(Ok(()), |file| file.finish(console))
    }
}
