"""What Hugging Face generate writes with the small reference models under each of its rules.

    python xtask/python/decoding_reference.py crates/hub/tests/fixtures > crates/infer/tests/decoding.json

Needs torch and transformers. The file's cases are read by crates/infer/tests/rules.rs: options under hearth's names, the
prompts or sources, and the tokens written for each, without what they stand behind and without padding; of searches the
scores too.
"""

import json
import sys
from pathlib import Path

import torch
from transformers import GPT2LMHeadModel, MarianMTModel

EOS = 2
NEW = 14
RULES = [
    {"repetition_penalty": 1.5},
    {"no_repeat_ngram": 1},
    {"no_repeat_ngram": 2},
    {"bad_words": True},
    {"min_new_tokens": 6},
    {"repetition_penalty": 1.3, "no_repeat_ngram": 2, "bad_words": True, "min_new_tokens": 4},
]
SEARCHES = [
    {"early_stopping": stopping, "length_penalty": penalty}
    for stopping in ("no", "yes", "never")
    for penalty in (0.5, 1.0, 2.0)
]
STOPPING = {"no": False, "yes": True, "never": "never"}


def run(model, rows, skip, case):
    """Writes behind each row alone, so that nothing is padded."""
    texts, scores = [], []
    is_beam = "early_stopping" in case
    for row in rows:
        options = {"do_sample": False, "max_new_tokens": NEW, "eos_token_id": case["eos"], "pad_token_id": 0}
        if is_beam:
            options |= {
                "num_beams": 4,
                "early_stopping": STOPPING[case["early_stopping"]],
                "length_penalty": case["length_penalty"],
            }
        options["repetition_penalty"] = case.get("repetition_penalty", 1.0)
        options["no_repeat_ngram_size"] = case.get("no_repeat_ngram", 0)
        options["min_new_tokens"] = case.get("min_new_tokens")
        if case.get("bad_words"):
            options["bad_words_ids"] = case["bad_words"]
        out = model.generate(
            torch.tensor([row]), output_scores=True, return_dict_in_generate=True, **options
        )
        text = out.sequences[0].tolist()[skip(row) :]
        if case["eos"] in text:
            text = text[: text.index(case["eos"]) + 1]
        texts.append(text)
        if is_beam:
            scores.append(float(out.sequences_scores[0]))
    return texts, scores


def main():
    fixtures = Path(sys.argv[1])
    torch.manual_seed(1)
    torch.set_grad_enabled(False)
    cases = []
    for name, kind, skip in (
        ("gpt2", GPT2LMHeadModel, len),
        ("marian", MarianMTModel, lambda row: 1),
    ):
        model = kind.from_pretrained(fixtures / name).double().eval()
        model.generation_config.bad_words_ids = None
        model.generation_config.forced_eos_token_id = None
        model.generation_config.num_beams = 1
        model.generation_config.max_length = None
        vocab = model.config.vocab_size
        rows = [torch.randint(3, vocab, (n,)).tolist() for n in (1, 3, 5, 8)]
        plain, _ = run(model, rows, skip, {"eos": EOS})
        # Words that would be written, and the token most often written as an end that texts come to.
        words = [plain[0][:1], plain[1][1:3], plain[2][2:5]]
        written = [token for text in plain for token in text]
        ends = sorted(set(written), key=written.count)
        for rules in [{}] + RULES:
            for search in [{}] + SEARCHES:
                if rules and search and (search["early_stopping"] != "no" or search["length_penalty"] == 0.5):
                    continue
                for eos in (EOS, ends[0], ends[-1]):
                    case = {"model": name, "eos": eos, "max_new_tokens": NEW, **rules, **search}
                    if "bad_words" in case:
                        case["bad_words"] = [word for word in words if word != [eos]]
                    case["rows"] = rows
                    case["texts"], case["scores"] = run(model, rows, skip, case)
                    cases.append(case)
    print("[")
    print(",\n".join(json.dumps(case, separators=(",", ":")) for case in cases))
    print("]")


main()
