"""Compare a model directory's logits in hearth with those of Hugging Face transformers.

`cargo xtask hf-check --model DIR` runs all three steps; by hand:

    pip install torch transformers safetensors
    python3 hf_check.py inputs  --model DIR --inputs in.safetensors
    hearth-flex forward         --model DIR --inputs in.safetensors --outputs out.safetensors
    python3 hf_check.py compare --model DIR --inputs in.safetensors --outputs out.safetensors

`inputs` draws what the model reads (always the same); `compare` prints the largest difference between the two `logits` (of
a model without a head, `last_hidden_state`) and exits with 1 if it is above 1e-4.
"""

import argparse
import json
import os
import sys
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the model is the directory, whole

import torch
from safetensors.torch import load_file, save_file

TOLERANCE = 1e-4
BATCH, SEQ, TARGET_SEQ = 2, 12, 9
N_FRAMES = 101
CAUSAL = ("gpt2", "llama", "mistral")
SEQ2SEQ = ("marian",)
SPEECH = ("speech_to_text",)
TEXT = ("bert",)
IMAGES = ("vit",)
KNOWN = CAUSAL + SEQ2SEQ + SPEECH + TEXT + IMAGES


def read_config(model: Path) -> dict:
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    if config.get("model_type") not in KNOWN:
        sys.exit(f"{model}: model_type {config.get('model_type')!r} is not one of {', '.join(KNOWN)}")
    return config


def make_inputs(config: dict) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    padding = config.get("pad_token_id")

    def draw(vocab: int, seq: int) -> torch.Tensor:
        ids = torch.randint(0, vocab, (BATCH, seq), generator=generator)
        # No padding token by chance: only the mask says what is padding.
        return ids if padding is None else torch.where(ids == padding, (ids + 1) % vocab, ids)

    if config["model_type"] in CAUSAL:
        return {"input_ids": draw(config["vocab_size"], SEQ)}

    if config["model_type"] in SPEECH:
        frames = torch.randn(BATCH, N_FRAMES, config["input_feat_per_channel"], generator=generator)
        attention_mask = torch.ones(BATCH, N_FRAMES, dtype=torch.long)
        attention_mask[-1, N_FRAMES - 30 :] = 0  # the last recording is shorter
        target = draw(config["vocab_size"], TARGET_SEQ)
        target[:, 0] = config["decoder_start_token_id"]
        return {"input_features": frames, "attention_mask": attention_mask, "decoder_input_ids": target}

    if config["model_type"] in IMAGES:
        size = config["image_size"]
        height, width = size if isinstance(size, list) else (size, size)
        return {"pixel_values": torch.randn(BATCH, config["num_channels"], height, width, generator=generator)}

    source = draw(config["vocab_size"], SEQ)
    attention_mask = torch.ones_like(source)
    attention_mask[-1, SEQ - 4 :] = 0  # the last sentence is shorter
    source[attention_mask == 0] = padding
    if config["model_type"] in TEXT:
        segments = torch.arange(SEQ).ge(5).long().expand(BATCH, SEQ) % config["type_vocab_size"]
        return {"input_ids": source, "attention_mask": attention_mask, "token_type_ids": segments.contiguous()}
    target = draw(config.get("decoder_vocab_size") or config["vocab_size"], TARGET_SEQ)
    target[:, 0] = config["decoder_start_token_id"]
    return {"input_ids": source, "attention_mask": attention_mask, "decoder_input_ids": target}


def reference_output(model: Path, config: dict, inputs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    import transformers

    classes = {
        **dict.fromkeys(CAUSAL, "AutoModelForCausalLM"),
        **dict.fromkeys(SEQ2SEQ, "AutoModelForSeq2SeqLM"),
        **dict.fromkeys(SPEECH, "AutoModelForSpeechSeq2Seq"),
    }
    # An encoder's config says what stands on it.
    name = classes.get(config["model_type"]) or config["architectures"][0]
    reference = getattr(transformers, name).from_pretrained(model, local_files_only=True).float().eval()
    with torch.no_grad():
        return reference(**inputs)


def compare(name: str, ours: torch.Tensor, theirs: torch.Tensor) -> int:
    if ours.shape != theirs.shape:
        print(f"{name}: hearth {list(ours.shape)}, transformers {list(theirs.shape)}: the shapes differ")
        return 1
    difference = (ours.double() - theirs.double()).abs().max().item()
    agree = difference <= TOLERANCE  # false for NaN too
    print(f"{name} {list(ours.shape)}: max |difference| {difference:.3g}, {'ok' if agree else f'above {TOLERANCE:g}'}")
    return 0 if agree else 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=["inputs", "compare"])
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--inputs", type=Path, required=True)
    parser.add_argument("--outputs", type=Path)
    args = parser.parse_args()

    config = read_config(args.model)
    if args.step == "inputs":
        save_file(make_inputs(config), args.inputs)
        return 0
    if args.outputs is None:
        parser.error("compare needs --outputs")
    ours = load_file(args.outputs)
    name = "logits" if "logits" in ours else "last_hidden_state"
    return compare(name, ours[name], reference_output(args.model, config, load_file(args.inputs))[name])


if __name__ == "__main__":
    sys.exit(main())
