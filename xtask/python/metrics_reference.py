"""What sacrebleu, jiwer and scikit-learn say of three bad translators and of some pairs written by hand.

    python xtask/python/metrics_reference.py ../shared/data/multi30k > crates/data/src/metrics/agreement.json

Needs sacrebleu, jiwer and scikit-learn. The translators are made of test_2016_flickr by the rules that
crates/data/src/metrics/degraded.rs has too, so no sentence of it is in the file; crates/data/src/metrics/agreement.rs
compares.
"""

import gzip
import json
import sys
from pathlib import Path

import jiwer
import numpy as np
import sklearn.metrics
from sacrebleu.metrics import BLEU, CHRF

# How many sentences each translator is judged by.
N_SENTENCES = 400

TOKENIZATIONS = ["13a", "intl", "char", "none"]

# Hypothesis, reference, another reference.
PAIRS = [
    ("The cat sat on the mat.", "The cat is on the mat.", "There is a cat on the mat."),
    ("the cat", "The cat is on the mat.", "A cat."),
    ("", "Nothing was written here.", "Nothing."),
    ("Exactly the same words, in order.", "Exactly the same words, in order.", "The same."),
    ("It costs 3,500.50 dollars (or 10-12 euros).", "It costs $3,500.50 (or 10–12 €).", "It costs 3500.50 dollars."),
    ("« Où est la gare ? »", "\"Où est la gare ?\"", "Où se trouve la gare ?"),
    ("Der Fluß fließt über die Straße", "DER FLUSS FLIESST ÜBER DIE STRASSE", "Der Fluss fliesst über die Strasse."),
    ("L’été arrive…", "L'été est arrivé...", "Voici l'été."),
    ("one", "one", "two"),
    ("a a a a a a", "a a b", "a c a"),
    ("e.g. well-known U.S.-made A/B tests -1990-", "e.g. the well-known U.S. made A/B tests of 1990", "A/B tests"),
    ("He said &quot;yes&quot; &amp; left &lt;now&gt;", "He said \"yes\" & left <now>", "He left."),
    ("Добрый день, как дела?", "Добрый вечер, как дела?", "Здравствуйте, как вы?"),
    ("今日は良い天気です。", "今日はいい天気ですね。", "良い天気だ。"),
    ("ΟΔΥΣΣΕΥΣ came home", "Οδυσσεύς came home", "Odysseus came home"),
    ("12:30 — 50% off!!! 🙂🙂", "12:30 - 50 % off! 🙂", "Half price at 12:30"),
    ("  spaces   around\tand within  ", "spaces around and within", "no spaces"),
    ("x²+y²=½ §7 №5 ±3°", "x² + y² = ½ § 7 № 5 ± 3 °", "x2+y2=1/2"),
    ("quite bit of an even longest sentence here", "quite a bit of longer sentence", "a longer sentence"),
    ("shoe order one", "short one here", "one short here"),
    ("this is the first the first the first sentence", "this was the first of the sentences", "first sentence"),
    ("that that is is that that is not is not", "that is that and not is that is", "is it"),
]


def terse(i, line):
    if i % 41 == 5:
        return ""
    text = " ".join(word for j, word in enumerate(line.split()) if (i + 2 * j) % 7 != 3)
    if i % 3 == 0:
        text = text.lower()
    return text.replace(".", "") if i % 5 == 0 else text


def jumbled(i, line):
    words = line.split()
    for j in range(len(words) - 1):
        if (i + j) % 6 == 1:
            words[j], words[j + 1] = words[j + 1], words[j]
    if i % 4 == 3:
        words = words[: len(words) // 2]
    text = " ".join(words)
    return text.upper() if i % 7 == 2 else text


def typeset(i, line):
    words = line.split()
    if i % 3 == 1:
        words[0] = f"«\u00a0{words[0]}\u00a0»"
    if i % 9 == 4:
        words[1] = f"&quot;{words[1]}&quot;"
    if i % 5 == 1:
        words.append(words[-1])
    for when, what in ((6, "– 3,5 % (10-12) & co…"), (10, "à €1.000,50"), (11, "🙂-1990- §7 x²=½.")):
        if i % when == 0:
            words.append(what)
    text = " ".join(words).replace("'", "’")
    return text.replace(".", "…") if i % 8 == 5 else text


def alternative(i, line):
    return " ".join(word for j, word in enumerate(line.split()) if (i + j) % 4 != 0)


SYSTEMS = {"terse": ("en", terse), "jumbled": ("de", jumbled), "typeset": ("fr", typeset)}


def unversioned(metric):
    return str(metric.get_signature()).rsplit("|", 1)[0]


def mean_and_moment(scores):
    """The second number notices scores that are in another order."""
    places = range(1, len(scores) + 1)
    return [sum(scores) / len(scores), sum(i * s for i, s in zip(places, scores)) / len(scores) ** 2]


def of_translations(hypotheses, references):
    """Scores with one reference and with all, as they are and in lower case."""
    cases = {"bleu": [], "chrf": []}
    for n in (1, len(references)):
        for lowercase in (False, True):
            told = {"n_references": n, "lowercase": lowercase}
            for tokenize in TOKENIZATIONS:
                metric = BLEU(tokenize=tokenize, lowercase=lowercase)
                score = metric.corpus_score(hypotheses, references[:n])
                sentence = BLEU(tokenize=tokenize, lowercase=lowercase, effective_order=True)
                scores = [
                    sentence.sentence_score(hypothesis, list(right)).score
                    for hypothesis, *right in zip(hypotheses, *references[:n])
                ]
                cases["bleu"].append(
                    told
                    | {
                        "tokenize": tokenize,
                        "score": score.score,
                        "precisions": list(score.precisions),
                        "brevity_penalty": score.bp,
                        "hypothesis_len": int(score.sys_len),
                        "reference_len": int(score.ref_len),
                        "sentences": mean_and_moment(scores),
                        "signature": unversioned(metric),
                    }
                )
            for word_order in (0, 2):
                metric = CHRF(word_order=word_order, lowercase=lowercase)
                score = metric.corpus_score(hypotheses, references[:n]).score
                scores = [
                    metric.sentence_score(hypothesis, list(right)).score
                    for hypothesis, *right in zip(hypotheses, *references[:n])
                ]
                # The metric counts the references of what it saw last.
                metric.corpus_score(hypotheses, references[:n])
                cases["chrf"].append(
                    told
                    | {
                        "word_order": word_order,
                        "score": score,
                        "sentences": mean_and_moment(scores),
                        "signature": unversioned(metric),
                    }
                )
    return cases


def of_transcripts(hypotheses, references):
    """Error rates of texts with single spaces."""
    hypotheses = [" ".join(text.split()) for text in hypotheses]
    references = [" ".join(text.split()) for text in references]
    cases = {}
    for name, process in (("wer", jiwer.process_words), ("cer", jiwer.process_characters)):
        out = process(references, hypotheses)
        cases[name] = {
            "rate": float(getattr(out, name)),
            "counts": [out.hits, out.substitutions, out.insertions, out.deletions],
        }
    return cases


def alignment(hypothesis, reference, process):
    out = process([" ".join(reference.split())], [" ".join(hypothesis.split())])
    shown = jiwer.visualize_alignment(out, show_measures=False, skip_correct=False)
    return shown.removeprefix("=== SENTENCE 1 ===\n\n").rstrip("\n")


def of_classes():
    """Labels and probabilities by rule: class k of row i has a weight of 1 + (i · (k + 3) + k²) mod 11."""
    n, n_classes = 500, 5
    weights = np.array([[1 + (i * (k + 3) + k * k) % 11 for k in range(n_classes)] for i in range(n)], dtype=np.float64)
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    # The last class is never a label.
    labels = [(i * i + i // 7) % (n_classes - 1) for i in range(n)]
    predicted = weights.argmax(axis=1)
    precision, recall, f1, support = sklearn.metrics.precision_recall_fscore_support(
        labels, predicted, labels=range(n_classes), zero_division=0
    )
    return {
        "accuracy": sklearn.metrics.accuracy_score(labels, predicted),
        "macro_f1": sklearn.metrics.f1_score(labels, predicted, average="macro", zero_division=0),
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
        "support": support.tolist(),
        "confusion": sklearn.metrics.confusion_matrix(labels, predicted, labels=range(n_classes)).tolist(),
        "brier": float(
            sklearn.metrics.brier_score_loss(labels, probabilities, labels=list(range(n_classes)), scale_by_half=False)
        ),
    }


def main():
    folder = Path(sys.argv[1])
    systems = []
    for name, (language, rule) in SYSTEMS.items():
        with gzip.open(folder / f"test_2016_flickr.{language}.gz", "rt", encoding="utf-8") as file:
            lines = file.read().split("\n")[:N_SENTENCES]
        hypotheses = [rule(i, line) for i, line in enumerate(lines)]
        references = [lines, [alternative(i, line) for i, line in enumerate(lines)]]
        systems.append(
            {
                "system": name,
                "n": len(lines),
                "code_points": sum(ord(c) for text in hypotheses + references[1] for c in text),
                **of_translations(hypotheses, references),
                **of_transcripts(hypotheses, lines),
            }
        )
    hypotheses, *references = [list(side) for side in zip(*PAIRS)]
    pairs = {
        "texts": PAIRS,
        **of_translations(hypotheses, references),
        **of_transcripts(hypotheses, references[0]),
        "words": [alignment(pair[0], pair[1], jiwer.process_words) for pair in PAIRS],
        "characters": [alignment(pair[0], pair[1], jiwer.process_characters) for pair in PAIRS],
    }
    told = {"systems": systems, "pairs": pairs, "classes": of_classes()}
    text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    print(text.replace('{"n_references"', '\n{"n_references"'))


main()
