"""How fast eager PyTorch trains a GPT of a hearth recipe's shape, on random tokens.

    pip install torch
    python3 bench_train.py --config configs/shakespeare-char-small.toml --threads 2
    python3 bench_train.py --config configs/gpt-small-256.toml --device cuda --precision bf16

The model is GPT-2's as nanoGPT has it: learned positions, norms before the branches, one linear layer for queries, keys
and values, `scaled_dot_product_attention`, and a head that shares the embedding's matrix. A step is what a step of
`hearth bench train` is: gradients, the clip of their norm, AdamW with decay on matrices only, and the loss read back. The
learning rate stays at the recipe's: a schedule costs nothing. Half precision is by autocast, f16 with a scaled loss.

Prints one line of JSON. `ms_per_step` is the median of the steps behind the warm-up, `tokens_per_s` is the tokens of a
step over that median, and `peak_mb` is the most memory the process held, in 10^6 bytes (Linux; null elsewhere), on a GPU
the most of the GPU's that tensors held.
"""

import argparse
import json
import statistics
import sys
import time
import tomllib
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# What a recipe leaves out, as in configs/README.md.
MODEL_DEFAULTS = {
    "dropout": 0.0,
    "activation_dropout": 0.0,
    "activation": "gelu-tanh",
    "norm": "before",
    "positions": "learned",
    "tied": True,
}
TRAIN_DEFAULTS = {
    "optimizer": "adamw",
    "lr": 1e-3,
    "weight_decay": 0.1,
    "beta_1": 0.9,
    "beta_2": 0.99,
    "epsilon": 1e-8,
    "clip_norm": 1.0,
    "label_smoothing": 0.0,
    "seed": 1337,
}
PRECISIONS = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
ACTIVATIONS = {
    "relu": F.relu,
    "gelu": F.gelu,
    "gelu-tanh": lambda x: F.gelu(x, approximate="tanh"),
    "silu": F.silu,
}
# The vocabulary of tinyshakespeare's characters, and what a recipe has for every other kind.
N_CHARACTERS = 65
VOCAB = 4000


class Attention(nn.Module):
    def __init__(self, model: dict):
        super().__init__()
        d_model = model["d_model"]
        self.n_heads = model["n_heads"]
        self.attention_dropout = model["attention_dropout"]
        self.query_key_value = nn.Linear(d_model, 3 * d_model)
        self.output = nn.Linear(d_model, d_model)
        self.dropout = nn.Dropout(model["dropout"])

    def forward(self, x: Tensor) -> Tensor:
        batch, seq, d_model = x.shape
        # [batch, seq, d_model] -> [batch, n_heads, seq, d_head]
        query, key, value = (
            part.view(batch, seq, self.n_heads, -1).transpose(1, 2) for part in self.query_key_value(x).chunk(3, dim=-1)
        )
        dropout = self.attention_dropout if self.training else 0.0
        mixed = F.scaled_dot_product_attention(query, key, value, dropout_p=dropout, is_causal=True)
        return self.dropout(self.output(mixed.transpose(1, 2).reshape(batch, seq, d_model)))


class FeedForward(nn.Module):
    def __init__(self, model: dict):
        super().__init__()
        self.up = nn.Linear(model["d_model"], model["d_ff"])
        self.down = nn.Linear(model["d_ff"], model["d_model"])
        self.activation = ACTIVATIONS[model["activation"]]
        self.activation_dropout = nn.Dropout(model["activation_dropout"])
        self.dropout = nn.Dropout(model["dropout"])

    def forward(self, x: Tensor) -> Tensor:
        return self.dropout(self.down(self.activation_dropout(self.activation(self.up(x)))))


class Layer(nn.Module):
    def __init__(self, model: dict):
        super().__init__()
        self.attention_norm = nn.LayerNorm(model["d_model"])
        self.attention = Attention(model)
        self.feed_forward_norm = nn.LayerNorm(model["d_model"])
        self.feed_forward = FeedForward(model)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.attention_norm(x))
        return x + self.feed_forward(self.feed_forward_norm(x))


class Gpt(nn.Module):
    def __init__(self, model: dict, vocab: int):
        super().__init__()
        self.tokens = nn.Embedding(vocab, model["d_model"])
        self.positions = nn.Embedding(model["max_positions"], model["d_model"])
        self.dropout = nn.Dropout(model["dropout"])
        self.layers = nn.ModuleList(Layer(model) for _ in range(model["n_layers"]))
        self.final_norm = nn.LayerNorm(model["d_model"])
        self.head = nn.Linear(model["d_model"], vocab, bias=False)
        self.apply(initialise)
        if model["tied"]:
            self.head.weight = self.tokens.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """[batch, seq] -> [batch, seq, vocab]"""
        positions = torch.arange(tokens.shape[1], device=tokens.device)
        x = self.dropout(self.tokens(tokens) + self.positions(positions))
        for layer in self.layers:
            x = layer(x)
        return self.head(self.final_norm(x))


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=0.02)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def read_recipe(path: Path) -> tuple[dict, dict, dict]:
    """The sections [model], [train] and [tokenizer], with their defaults."""
    recipe = tomllib.loads(path.read_text(encoding="utf-8"))
    model, train = MODEL_DEFAULTS | recipe["model"], TRAIN_DEFAULTS | recipe["train"]
    model.setdefault("d_ff", 4 * model["d_model"])
    model.setdefault("attention_dropout", model["dropout"])
    for section, key, expected in [
        (model, "architecture", "gpt"),
        (model, "norm", "before"),
        (model, "positions", "learned"),
        (train, "optimizer", "adamw"),
    ]:
        if section[key] != expected:
            sys.exit(f"{path}: {key} is {section[key]!r}, and only {expected!r} is measured here")
    return model, train, recipe.get("tokenizer", {})


def vocabulary(tokenizer: dict) -> int:
    return N_CHARACTERS if tokenizer.get("kind") == "characters" else tokenizer.get("vocab", VOCAB)


def make_optimizer(gpt: Gpt, train: dict) -> torch.optim.AdamW:
    parameters = list(gpt.parameters())
    groups = [
        {"params": [p for p in parameters if p.dim() >= 2], "weight_decay": train["weight_decay"]},
        {"params": [p for p in parameters if p.dim() < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=train["lr"], betas=(train["beta_1"], train["beta_2"]), eps=train["epsilon"])


def measure(gpt: Gpt, train: dict, batches: list[Tensor], device: torch.device, precision: torch.dtype) -> list[float]:
    """Seconds of each step."""
    optimizer = make_optimizer(gpt, train)
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    gpt.train()
    seconds = []
    for windows in batches:
        started = time.perf_counter()
        windows = windows.to(device)
        inputs, targets = windows[:, :-1], windows[:, 1:]
        with torch.autocast(device.type, dtype=precision, enabled=precision != torch.float32):
            logits = gpt(inputs)
            loss = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), label_smoothing=train["label_smoothing"])
        optimizer.zero_grad(set_to_none=True)
        scaler.scale(loss).backward()
        if train["clip_norm"] > 0:
            scaler.unscale_(optimizer)
            nn.utils.clip_grad_norm_(gpt.parameters(), train["clip_norm"])
        scaler.step(optimizer)
        scaler.update()
        loss.item()
        seconds.append(time.perf_counter() - started)
    return seconds


def peak_mb(device: torch.device) -> float | None:
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 1e6, 1)
    status = Path("/proc/self/status")
    if not status.is_file():
        return None
    lines = status.read_text(encoding="utf-8").splitlines()
    [kibibytes] = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return round(int(kibibytes) * 1024 / 1e6, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--config", metavar="FILE", type=Path, required=True, help="the recipe")
    parser.add_argument("--vocab", metavar="N", type=int, help=f"default: {N_CHARACTERS} for characters, else the recipe's")
    parser.add_argument("--steps", metavar="N", type=int, default=100, help="steps to measure (default: 100)")
    parser.add_argument("--warmup", metavar="N", type=int, default=10, help="steps before them (default: 10)")
    parser.add_argument("--threads", metavar="N", type=int, help="default: PyTorch's own")
    parser.add_argument("--device", metavar="NAME", type=torch.device, default="cpu", help="cpu or cuda (default: cpu)")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="of products (default: f32)")
    args = parser.parse_args()
    if args.threads is not None:
        torch.set_num_threads(args.threads)

    model, train, tokenizer = read_recipe(args.config)
    vocab = vocabulary(tokenizer) if args.vocab is None else args.vocab
    torch.manual_seed(train["seed"])
    gpt = Gpt(model, vocab).to(args.device)
    batch, seq = train["batch_size"], model["max_positions"]
    batches = [torch.randint(0, vocab, (batch, seq + 1)) for _ in range(args.warmup + args.steps)]
    seconds = measure(gpt, train, batches, args.device, PRECISIONS[args.precision])
    step = statistics.median(seconds[args.warmup :])
    result = {
        "tokens_per_s": round(batch * seq / step, 1),
        "ms_per_step": round(step * 1000, 3),
        "peak_mb": peak_mb(args.device),
        "n_parameters": sum(p.numel() for p in gpt.parameters()),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "device": str(args.device),
        "precision": args.precision,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
