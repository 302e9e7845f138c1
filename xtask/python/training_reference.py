"""Write down how PyTorch trains a fixture's model: its gradients, and its losses over 20 steps of AdamW.

    pip install torch transformers safetensors
    python3 training_reference.py crates/hub/tests/fixtures/{gpt2,llama,mistral,marian,speech-to-text,bert-mlm,bert-classify,vit,\
        torch-transformer,torch-lstm-lm,torch-gru-lm}

Each DIR holds config.json and model.safetensors; `training.safetensors` is written into it, in f32 on the CPU without
dropout. It holds one batch, on which everything is computed:

- gpt2, llama, mistral, torch-lstm-lm, torch-gru-lm: `input_ids` [4, 24]. Loss: mean cross entropy of the next token, over 4 * 23 positions.
- marian: `input_ids` [4, 12], `attention_mask` [4, 12] (1 is a token), `decoder_input_ids` [4, 10], `labels` [4, 10].
  Loss: mean cross entropy over the labels that are not -100.
- speech-to-text: `input_features` [3, 90, 40], `attention_mask` [3, 90], `decoder_input_ids` and `labels` [3, 10]; the same loss.
- bert-mlm: `input_ids`, `token_type_ids`, `attention_mask` and `labels` [4, 12]; the same loss.
- bert-classify: as bert-mlm, but `labels` [4, 1]. vit: `pixel_values` [3, 1, 28, 28], `labels` [3, 1]. Loss: mean cross entropy.
- torch-transformer: `src` [12, 4, 48], `tgt` [10, 4, 48] and `expected` [10, 4, 48], all [seq, batch, d_model], with a
  causal mask on the target. Loss: mean squared error of the output against `expected`.

and what PyTorch makes of it:

- `gradient.NAME` for every parameter: the loss's gradient at the weights of model.safetensors, before any clipping,
  under the name and in the layout that the weight has there.
- `losses` [21], on a batch on which rounding does not decide where training goes (single and double precision agree to
  1e-4): before each of 20 steps of AdamW and after the last. Before a step the gradient is multiplied by
  min(1, clip_norm / norm), norm being that of all gradients together; only tensors of two axes or more decay. The
  settings are the file's metadata.

Three things differ from what transformers and PyTorch do by themselves:

- `clip_grad_norm_` divides by norm + 1e-6, which shortens a gradient a little too much; here the factor is exact.
- An `nn.Embedding` with `padding_idx` throws away the gradient of looking up that row. Marian starts its targets with
  the padding token, so that row would get a part of its gradient only. `padding_idx` is cleared: gradients are the
  loss's own.
- Marian's sinusoidal positions are fixed, as the paper has them, though transformers 5 loads them as trainable. They are
  in no file. Its `final_logits_bias` is trained as the bias of the head that it is (transformers keeps it in a buffer,
  as it is never trained there), and does not decay.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # the model is the directory, whole

import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

N_SEEDS = 20
N_STEPS = 20
# How far single precision may lead away from double: less than what any other order of summation is allowed.
NOISE = 1e-4
SETTINGS = {
    "lr": "0.001",
    "beta_1": "0.9",
    "beta_2": "0.999",
    "epsilon": "1e-8",
    "weight_decay": "0.1",
    "clip_norm": "1",
}
LR, BETA_1, BETA_2, EPSILON, WEIGHT_DECAY, CLIP_NORM = (float(value) for value in SETTINGS.values())

Batch = dict[str, Tensor]
Loss = Callable[[], Tensor]


def decoder_only(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, attn_implementation="eager").float()
    tokens = torch.randint(0, config["vocab_size"], (4, 24))

    def loss() -> Tensor:
        logits = model(input_ids=tokens, use_cache=False).logits
        return F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())

    return model, {"input_ids": tokens}, loss


def marian(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    from transformers import MarianMTModel

    model = MarianMTModel.from_pretrained(folder, local_files_only=True, attn_implementation="eager").float()
    bias = model.final_logits_bias
    del model.final_logits_bias
    model.register_parameter("final_logits_bias", nn.Parameter(bias.clone()))
    vocab, padding, end = config["vocab_size"], config["pad_token_id"], config["eos_token_id"]
    first_word = 1 + max(padding, end, config["bos_token_id"])  # no special token by chance

    def sentences(seq: int, lengths: list[int], filler: int) -> Tensor:
        """[batch, seq]: random words, closed by the end token, and `filler` behind it."""
        tokens = torch.randint(first_word, vocab, (len(lengths), seq))
        for row, length in zip(tokens, lengths, strict=True):
            row[length - 1] = end
            row[length:] = filler
        return tokens

    source = sentences(12, [12, 9, 12, 7], padding)
    labels = sentences(10, [10, 10, 6, 8], -100)
    target = labels.roll(1, dims=1)
    target[:, 0] = config["decoder_start_token_id"]
    target[target == -100] = padding
    batch = {
        "input_ids": source,
        "attention_mask": (source != padding).long(),
        "decoder_input_ids": target,
        "labels": labels,
    }

    def loss() -> Tensor:
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = model(**inputs, use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)

    return model, batch, loss


def speech_to_text(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    from transformers import Speech2TextForConditionalGeneration as SpeechToText

    model = SpeechToText.from_pretrained(folder, local_files_only=True, attn_implementation="eager").float()
    mask = torch.ones(3, 90, dtype=torch.long)
    mask[1, 50:] = 0
    mask[2, 77:] = 0
    labels = torch.randint(5, config["vocab_size"], (3, 10))
    labels[1, 7:] = -100
    target = labels.roll(1, dims=1)
    target[:, 0] = config["decoder_start_token_id"]
    target[target == -100] = config["pad_token_id"]
    batch = {
        "input_features": torch.randn(3, 90, config["input_feat_per_channel"]),
        "attention_mask": mask,
        "decoder_input_ids": target,
        "labels": labels,
    }

    def loss() -> Tensor:
        inputs = {name: tensor for name, tensor in batch.items() if name != "labels"}
        logits = model(**inputs, use_cache=False).logits
        return F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)

    return model, batch, loss


def bert(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    import transformers

    [architecture] = config["architectures"]
    model = getattr(transformers, architecture).from_pretrained(folder, local_files_only=True, attn_implementation="eager").float()
    mask = torch.ones(4, 12, dtype=torch.long)
    mask[1, 8:] = 0
    mask[2, 10:] = 0
    segments = torch.zeros(4, 12, dtype=torch.long)
    segments[:, 5:] = 1
    batch = {
        "input_ids": torch.randint(1, config["vocab_size"], (4, 12)) * mask,
        "token_type_ids": segments,
        "attention_mask": mask,
    }
    if architecture == "BertForMaskedLM":
        labels = torch.randint(1, config["vocab_size"], (4, 12))
        labels[(torch.rand(4, 12) < 0.5) | (mask == 0)] = -100
    else:
        labels = torch.randint(0, len(config["id2label"]), (4, 1))

    def loss() -> Tensor:
        logits = model(**batch).logits
        return F.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index=-100)

    return model, {**batch, "labels": labels}, loss


def vit(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    from transformers import ViTForImageClassification

    model = ViTForImageClassification.from_pretrained(folder, local_files_only=True, attn_implementation="eager").float()
    size = config["image_size"]
    pixels = torch.randn(3, config["num_channels"], size, size)
    labels = torch.randint(0, len(config["id2label"]), (3, 1))

    def loss() -> Tensor:
        return F.cross_entropy(model(pixel_values=pixels).logits, labels.flatten())

    return model, {"pixel_values": pixels, "labels": labels}, loss


def torch_rnn_lm(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    network = {"LSTM": nn.LSTM, "GRU": nn.GRU}[config["rnn_type"]]
    vocab, width = config["vocab_size"], config["hidden_size"]
    model = nn.ModuleDict(
        {
            "embedding": nn.Embedding(vocab, config["embedding_dim"]),
            "rnn": network(config["embedding_dim"], width, config["num_layers"], batch_first=True),
            "head": nn.Linear(width, vocab),
        }
    )
    model.load_state_dict(load_file(folder / "model.safetensors"))
    tokens = torch.randint(0, vocab, (4, 24))

    def loss() -> Tensor:
        hidden, _ = model["rnn"](model["embedding"](tokens[:, :-1]))
        return F.cross_entropy(model["head"](hidden).flatten(0, 1), tokens[:, 1:].flatten())

    return model, {"input_ids": tokens}, loss


def torch_transformer(folder: Path, config: dict) -> tuple[nn.Module, Batch, Loss]:
    sizes = {name: value for name, value in config.items() if name != "model_type"}
    # The weights' names begin with the name of the field.
    model = nn.ModuleDict({"transformer": nn.Transformer(**sizes, dropout=0.0)})
    model.load_state_dict(load_file(folder / "model.safetensors"))
    d_model = config["d_model"]
    batch = {
        "src": torch.randn(12, 4, d_model),
        "tgt": torch.randn(10, 4, d_model),
        "expected": torch.randn(10, 4, d_model),
    }

    def loss() -> Tensor:
        mask = nn.Transformer.generate_square_subsequent_mask(10, dtype=batch["src"].dtype)
        output = model["transformer"](batch["src"], batch["tgt"], tgt_mask=mask, tgt_is_causal=True)
        return F.mse_loss(output, batch["expected"])

    return model, batch, loss


# How transformers 5 calls what it saves under the names that ViT has always had.
RENAMED = {
    "vit.layers.": "vit.encoder.layer.",
    "attention.q_proj.": "attention.attention.query.",
    "attention.k_proj.": "attention.attention.key.",
    "attention.v_proj.": "attention.attention.value.",
    "attention.o_proj.": "attention.output.dense.",
    "mlp.fc1.": "intermediate.dense.",
    "mlp.fc2.": "output.dense.",
}


def saved_name(name: str) -> str:
    if name.startswith("vit."):
        for new, old in RENAMED.items():
            name = name.replace(new, old)
    return name


FAMILIES = {
    "gpt2": decoder_only,
    "llama": decoder_only,
    "mistral": decoder_only,
    "marian": marian,
    "speech_to_text": speech_to_text,
    "bert": bert,
    "vit": vit,
    "torch-rnn-lm": torch_rnn_lm,
    "torch-transformer": torch_transformer,
}


def trained(folder: Path, model: nn.Module) -> dict[str, Tensor]:
    """The parameters by the names they are saved by. Says which tensors of the file and of the model are none."""
    saved = load_file(folder / "model.safetensors")
    fixed = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Embedding):
            module.padding_idx = None
        if type(module).__name__ == "MarianSinusoidalPositionalEmbedding":
            module.weight.requires_grad_(False)
            fixed.append(f"{name}.weight")
    # A tied weight comes once, under its first name: the one it is saved by.
    parameters = {saved_name(name): tensor for name, tensor in model.named_parameters() if tensor.requires_grad}
    for name, tensor in parameters.items():
        if name not in saved or not torch.equal(tensor, saved[name]):
            sys.exit(f"{folder}: model.safetensors has no {name} with the values of the model")
    buffers = sorted(saved.keys() - parameters.keys())
    unknown = set(buffers) - {name for name, _ in model.named_buffers()}
    if unknown:
        sys.exit(f"{folder}: neither parameters nor buffers: {', '.join(sorted(unknown))}")
    print(f"  {len(parameters)} parameters; saved buffers: {', '.join(buffers) or 'none'}")
    print(f"  fixed and not saved: {', '.join(fixed) or 'none'}")
    return parameters


def train(parameters: dict[str, Tensor], loss: Loss) -> tuple[dict[str, Tensor], Tensor, list[float]]:
    """The gradients at the start, the losses, and the norms of the gradients before clipping."""
    tensors = list(parameters.values())

    def decays(tensor: Tensor) -> bool:
        return tensor.squeeze().dim() >= 2  # the head's bias is saved as [1, vocab]

    optimizer = torch.optim.AdamW(
        [
            {"params": [tensor for tensor in tensors if decays(tensor)], "weight_decay": WEIGHT_DECAY},
            {"params": [tensor for tensor in tensors if not decays(tensor)], "weight_decay": 0.0},
        ],
        lr=LR,
        betas=(BETA_1, BETA_2),
        eps=EPSILON,
    )
    gradients, losses, norms = {}, [], []
    for step in range(N_STEPS):
        optimizer.zero_grad()
        value = loss()
        value.backward()
        losses.append(value.item())
        if step == 0:
            gradients = {f"gradient.{name}": tensor.grad.clone() for name, tensor in parameters.items()}
        norm = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(tensor.grad) for tensor in tensors]))
        norms.append(norm.item())
        for tensor in tensors:
            tensor.grad.mul_((CLIP_NORM / norm).clamp(max=1.0))
        optimizer.step()
    with torch.no_grad():
        losses.append(loss().item())
    return gradients, torch.tensor(losses, dtype=tensors[0].dtype), norms


def follow(
    folder: Path, config: dict, family: Callable, seed: int, dtype: torch.dtype
) -> tuple[Batch, dict[str, Tensor], Tensor, list[float]]:
    """The batch of a seed, and what training on it comes to in this precision."""
    torch.manual_seed(seed)
    model, batch, loss = family(folder, config)
    model.eval()
    parameters = trained(folder, model)
    model.to(dtype)
    for tensor in batch.values():
        if tensor.is_floating_point():
            tensor.data = tensor.data.to(dtype)
    return batch, *train(parameters, loss)


def write(folder: Path) -> None:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    family = FAMILIES.get(config.get("model_type"))
    if family is None:
        sys.exit(f"{folder}: model_type {config.get('model_type')!r} is not one of {', '.join(FAMILIES)}")
    print(f"{folder}:")
    for seed in range(N_SEEDS):
        (batch, gradients, losses, norms), (_, _, exact, _) = (
            follow(folder, config, family, seed, dtype) for dtype in (torch.float32, torch.float64)
        )
        noise = (losses / exact - 1).abs().max().item()
        print(f"  seed {seed}: losses differ from those in double precision by {noise:.1e}")
        if noise <= NOISE:
            break
    else:
        sys.exit(f"{folder}: on every batch rounding decides where training goes")
    print(f"  loss {losses[0]:.6f} -> {losses[-1]:.6f}, norm of the gradient {norms[0]:.4f} -> {norms[-1]:.4f}")

    tensors = {name: tensor.contiguous() for name, tensor in (batch | gradients | {"losses": losses}).items()}
    path = folder / "training.safetensors"
    save_file(tensors, path, metadata=SETTINGS)
    verify(path, tensors)


def verify(path: Path, tensors: Batch) -> None:
    """Reads the file back: the same tensors, finite, under the same settings."""
    with safe_open(path, "pt") as file:
        assert file.metadata() == SETTINGS, file.metadata()
    read = load_file(path)
    assert read.keys() == tensors.keys(), read.keys() ^ tensors.keys()
    for name, tensor in tensors.items():
        assert tensor.dtype in (torch.float32, torch.int64), (name, tensor.dtype)
        assert torch.equal(read[name], tensor) and tensor.isfinite().all(), name
    print(f"  {path.name}: {len(tensors)} tensors, {path.stat().st_size:,} bytes")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", metavar="DIR", type=Path, nargs="+")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for folder in args.folders:
        write(folder)


if __name__ == "__main__":
    main()
