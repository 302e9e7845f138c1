//! The metrics beside sacrebleu, jiwer and scikit-learn, whose numbers `xtask/python/metrics_reference.py` wrote down.

use super::degraded::{SYSTEMS, alternative, normalised};
use super::{
    Bleu, Chrf, ConfusionMatrix, ErrorCounts, Prediction, Segment, Tokenization, Transcript,
    brier_score,
};
use crate::{read_text, shared};
use serde::Deserialize;

/// What sums in another order may differ by, in points of a hundred.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Reference {
    systems: Vec<SystemScores>,
    pairs: Pairs,
    classes: Classes,
}

#[derive(Deserialize)]
struct SystemScores {
    system: String,
    n: usize,
    code_points: u64,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(Deserialize)]
struct Pairs {
    texts: Vec<[String; 3]>,
    words: Vec<String>,
    characters: Vec<String>,
    #[serde(flatten)]
    scores: Scores,
}

#[derive(Deserialize)]
struct Scores {
    bleu: Vec<BleuCase>,
    chrf: Vec<ChrfCase>,
    wer: ErrorCase,
    cer: ErrorCase,
}

#[derive(Deserialize)]
struct BleuCase {
    n_references: usize,
    lowercase: bool,
    tokenize: String,
    score: f64,
    precisions: [f64; 4],
    brevity_penalty: f64,
    hypothesis_len: usize,
    reference_len: usize,
    sentences: [f64; 2],
    signature: String,
}

#[derive(Deserialize)]
struct ChrfCase {
    n_references: usize,
    lowercase: bool,
    word_order: usize,
    score: f64,
    sentences: [f64; 2],
    signature: String,
}

#[derive(Deserialize)]
struct ErrorCase {
    rate: f64,
    counts: [usize; 4],
}

#[derive(Deserialize)]
struct Classes {
    accuracy: f64,
    macro_f1: f64,
    precision: Vec<f64>,
    recall: Vec<f64>,
    f1: Vec<f64>,
    support: Vec<usize>,
    confusion: Vec<Vec<usize>>,
    brier: f64,
}

/// A hypothesis with its references, the first of which is the one for error rates.
struct Texts(Vec<(String, Vec<String>)>);

impl Texts {
    fn segments(&self, n_references: usize) -> impl Iterator<Item = Segment<'_>> {
        self.0.iter().map(move |(hypothesis, references)| Segment {
            hypothesis,
            references: references[..n_references]
                .iter()
                .map(String::as_str)
                .collect(),
        })
    }

    fn agree(&self, name: &str, expected: &Scores) {
        for case in &expected.bleu {
            self.agree_in_bleu(name, case);
        }
        for case in &expected.chrf {
            self.agree_in_chrf(name, case);
        }
        let pairs = self.0.iter();
        let texts: Vec<_> = pairs
            .map(|(hypothesis, references)| (normalised(hypothesis), normalised(&references[0])))
            .collect();
        let transcripts = || {
            texts.iter().map(|(hypothesis, reference)| Transcript {
                reference,
                hypothesis,
            })
        };
        let words = transcripts().map(|text| text.words().counts());
        agree_in_errors(&format!("{name}, WER"), words.sum(), &expected.wer);
        let characters = transcripts().map(|text| text.characters().counts());
        agree_in_errors(&format!("{name}, CER"), characters.sum(), &expected.cer);
    }

    fn agree_in_bleu(&self, name: &str, case: &BleuCase) {
        let tokenizations = [
            Tokenization::Mteval13a,
            Tokenization::International,
            Tokenization::Characters,
            Tokenization::None,
        ];
        let named = tokenizations
            .into_iter()
            .find(|t| t.name() == case.tokenize);
        let bleu = Bleu {
            tokenization: named.unwrap(),
            lowercase: case.lowercase,
        };
        let what = format!("{name}, {}", case.signature);
        let found = bleu.corpus(self.segments(case.n_references));
        close(&what, found.score, case.score);
        close(&what, found.brevity_penalty, case.brevity_penalty);
        for (precision, expected) in found.precisions.into_iter().zip(case.precisions) {
            close(&what, precision, expected);
        }
        let lengths = (found.hypothesis_len, found.reference_len);
        assert_eq!(lengths, (case.hypothesis_len, case.reference_len), "{what}");
        let sentences = self.segments(case.n_references);
        let scores: Vec<f64> = sentences.map(|s| bleu.sentence(&s).score).collect();
        agree_in_sentences(&what, &scores, case.sentences);
        let signature = bleu.signature(case.n_references);
        assert_eq!(signature.rsplit_once('|').unwrap().0, case.signature);
    }

    fn agree_in_chrf(&self, name: &str, case: &ChrfCase) {
        let chrf = Chrf {
            word_order: case.word_order,
            lowercase: case.lowercase,
        };
        let what = format!("{name}, {}", case.signature);
        close(
            &what,
            chrf.corpus(self.segments(case.n_references)),
            case.score,
        );
        let sentences = self.segments(case.n_references);
        let scores: Vec<f64> = sentences.map(|s| chrf.sentence(&s)).collect();
        agree_in_sentences(&what, &scores, case.sentences);
        let signature = chrf.signature(case.n_references);
        assert_eq!(signature.rsplit_once('|').unwrap().0, case.signature);
    }
}

/// Their mean, and a mean that notices another order.
fn agree_in_sentences(what: &str, scores: &[f64], expected: [f64; 2]) {
    let n = scores.len() as f64;
    let mean = scores.iter().sum::<f64>() / n;
    let weighted = (1..).zip(scores).map(|(i, score)| f64::from(i) * score);
    close(&format!("{what}, sentences"), mean, expected[0]);
    close(
        &format!("{what}, their order"),
        weighted.sum::<f64>() / (n * n),
        expected[1],
    );
}

fn agree_in_errors(what: &str, found: ErrorCounts, expected: &ErrorCase) {
    let counts = [
        found.hits,
        found.substitutions,
        found.insertions,
        found.deletions,
    ];
    assert_eq!(counts, expected.counts, "{what}");
    close(what, found.rate(), expected.rate);
}

fn close(what: &str, found: f64, expected: f64) {
    assert!(
        (found - expected).abs() < TOLERANCE,
        "{what}: {found}, expected {expected}"
    );
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("agreement.json")).unwrap()
}

#[test]
fn pairs_written_by_hand_score_as_with_sacrebleu_and_jiwer() {
    let pairs = reference().pairs;
    let texts = pairs
        .texts
        .iter()
        .map(|[hypothesis, one, other]| (hypothesis.clone(), vec![one.clone(), other.clone()]));
    Texts(texts.collect()).agree("pairs", &pairs.scores);
}

#[test]
fn alignments_are_shown_as_jiwer_shows_them() {
    let pairs = reference().pairs;
    for (i, [hypothesis, said, _]) in pairs.texts.iter().enumerate() {
        let (hypothesis, said) = (normalised(hypothesis), normalised(said));
        let transcript = Transcript {
            reference: &said,
            hypothesis: &hypothesis,
        };
        assert_eq!(
            transcript.words().to_string().trim_end(),
            pairs.words[i].trim_end()
        );
        let shown = transcript.characters().to_string();
        assert_eq!(shown.trim_end(), pairs.characters[i].trim_end());
    }
}

#[test]
fn three_bad_translators_score_as_with_sacrebleu_and_jiwer() {
    for (system, expected) in SYSTEMS.iter().zip(reference().systems) {
        assert_eq!(system.name, expected.system);
        let file = format!("multi30k/test_2016_flickr.{}.gz", system.language);
        let Some(path) = shared::data(&file) else {
            return;
        };
        let text = read_text(&path).unwrap();
        let lines = text.lines().take(expected.n).enumerate();
        let texts: Vec<_> = lines
            .map(|(i, line)| {
                let references = vec![line.to_owned(), alternative(i, line)];
                ((system.rule)(i, line), references)
            })
            .collect();
        let made = texts
            .iter()
            .flat_map(|(hypothesis, references)| hypothesis.chars().chain(references[1].chars()));
        let code_points: u64 = made.map(|c| u64::from(u32::from(c))).sum();
        assert_eq!(
            (texts.len(), code_points),
            (expected.n, expected.code_points)
        );
        Texts(texts).agree(system.name, &expected.scores);
    }
}

#[test]
fn classes_score_as_with_scikit_learn() {
    let expected = reference().classes;
    let n_classes = expected.f1.len();
    let mut matrix = ConfusionMatrix::new(n_classes);
    let mut predictions = Vec::new();
    for i in 0..500 {
        let weights = (0..n_classes).map(|k| (1 + (i * (k + 3) + k * k) % 11) as f32);
        let sum: f32 = weights.clone().sum();
        let prediction = Prediction {
            probabilities: weights.map(|weight| weight / sum).collect(),
            label: (i * i + i / 7) % (n_classes - 1),
        };
        matrix.add(prediction.label, prediction.class());
        predictions.push(prediction);
    }
    assert_eq!(matrix.counts(), expected.confusion);
    close("accuracy", matrix.accuracy(), expected.accuracy);
    close("macro F1", matrix.macro_f1(), expected.macro_f1);
    for class in 0..n_classes {
        let scores = matrix.class(class);
        close("precision", scores.precision, expected.precision[class]);
        close("recall", scores.recall, expected.recall[class]);
        close("F1", scores.f1, expected.f1[class]);
        assert_eq!(scores.support, expected.support[class]);
    }
    // Probabilities are in single precision here.
    assert!((brier_score(&predictions) - expected.brier).abs() < 1e-6);
}
