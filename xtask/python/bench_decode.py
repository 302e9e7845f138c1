"""How fast hearth decodes beside Hugging Face generate, in one run, on the same threads.

    cargo build --release --workspace
    python xtask/python/bench_decode.py --programs target/release --backends tch,flex,ndarray

Needs torch, transformers, tokenizers, and a quiet machine. Two jobs, both in single precision with random weights:

- llama: 135 M parameters (30 layers, 576 wide, 9 heads, 3 of keys and values, vocabulary 49,152), batch 1, 128 tokens behind
  a prompt of 16;
- marian: 3 + 3 layers, 256 wide, vocabulary 8,000, sentences of 10 to 30 tokens, sorted by length, 32 at once, 4 beams, 25
  tokens each.

Programs take turns, round by round, so that a busy moment of the machine falls on all of them; medians are printed, and
whether all wrote the same.
"""

import argparse
import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_NEW, N_BEAM_NEW, BATCH = 128, 25, 32


def make_llama(folder):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=49152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, max_position_embeddings=8192, tie_word_embeddings=True, rms_norm_eps=1e-5,
        initializer_range=0.05, eos_token_id=2, bos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)


def make_marian(folder):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=8000, d_model=256, encoder_layers=3, decoder_layers=3, encoder_attention_heads=4,
        decoder_attention_heads=4, encoder_ffn_dim=1024, decoder_ffn_dim=1024, max_position_embeddings=128,
        pad_token_id=0, eos_token_id=1, decoder_start_token_id=0, forced_eos_token_id=None, init_std=0.1,
        scale_embedding=True, activation_function="relu",
    )
    MarianMTModel(config).save_pretrained(folder)
    numbers = {str(i): i for i in range(8000)}
    tokenizer = Tokenizer(models.WordLevel(numbers, unk_token="0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))


def sentences(n):
    draw = random.Random(1)
    rows = [[draw.randrange(2, 8000) for _ in range(draw.randint(10, 30))] for _ in range(n)]
    return sorted(rows, key=len)


def peak_mb(who):
    return resource.getrusage(who).ru_maxrss * 1024 / 1e6


def hugging_face(args):
    """Runs in a process of its own, so that its memory is its own."""
    import torch
    from transformers import LlamaForCausalLM, MarianMTModel

    torch.set_num_threads(args.threads)
    torch.set_grad_enabled(False)
    if args.worker == "llama":
        model = LlamaForCausalLM.from_pretrained(args.cache / "llama", dtype=torch.float32).eval()
        prompt = torch.arange(1, 17)[None]
        options = {"do_sample": False, "pad_token_id": 0, "eos_token_id": None}
        model.generate(prompt, max_new_tokens=8, **options)
        begin = time.perf_counter()
        model.generate(prompt, max_new_tokens=1, **options)
        first = time.perf_counter() - begin
        begin = time.perf_counter()
        out = model.generate(prompt, max_new_tokens=N_NEW, **options)
        seconds = time.perf_counter() - begin
        big = torch.ones(250_000_000)
        big.sum()
        begin = time.perf_counter()
        for _ in range(4):
            big.sum()
        bandwidth = 4 / (time.perf_counter() - begin)
        result = {
            "rate": (N_NEW - 1) / (seconds - first), "first_ms": first * 1e3, "ids": out[0, 16:].tolist(),
            "bandwidth": bandwidth,
        }
    else:
        model = MarianMTModel.from_pretrained(args.cache / "marian", dtype=torch.float32).eval()
        model.generation_config.bad_words_ids = None
        rows, texts = sentences(args.sentences), []
        begin = time.perf_counter()
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            longest = max(map(len, batch))
            ids = torch.tensor([row + [0] * (longest - len(row)) for row in batch])
            out = model.generate(
                ids, attention_mask=(ids != 0).long(), num_beams=4, do_sample=False, max_new_tokens=N_BEAM_NEW,
                eos_token_id=None, pad_token_id=0,
            )
            texts += out[:, 1:].tolist()
        result = {"rate": len(rows) / (time.perf_counter() - begin), "ids": texts}
    result["peak_mb"] = peak_mb(resource.RUSAGE_SELF)
    print(json.dumps(result))


def child(command, environment, stdin=None):
    """Runs a program; its output and the most memory it had."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdin=stdin, stdout=output, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        output.seek(0), errors.seek(0)
        text, told = output.read().decode(), errors.read().decode()
    if status != 0:
        sys.exit(f"{' '.join(map(str, command))}:\n{told}")
    return text, told, seconds, usage.ru_maxrss * 1024 / 1e6


def hearth(job, program, args, environment):
    if job == "llama":
        prompt = ",".join(map(str, range(1, 17)))
        command = [program, "generate", "--json", "--model", args.cache / "llama", "--prompt-ids", prompt]
        command += ["--greedy", "--ignore-eos", "--max-new-tokens"]
        text, told, _, peak = child(command + [str(N_NEW)], environment)
        # "read 16 tokens at 200 tokens/s, wrote 128 at 40 tokens/s, in 3.20 s"
        read, wrote = (float(rate) for rate in re.findall(r"at (\d+) tokens/s", told))
        whole = float(re.search(r"in ([\d.]+) s", told)[1])
        first = 16 / read if read else 0.0
        rate = (N_NEW - 1) / (whole - first)
        return {"rate": rate, "first_ms": first * 1e3, "ids": json.loads(text)["ids"], "peak_mb": peak}
    rows = sentences(args.sentences)
    options = ["--json", "--batch-size", str(BATCH), "--beam", "4", "--max-new-tokens", str(N_BEAM_NEW)]
    options += ["--min-new-tokens", str(N_BEAM_NEW)]
    command = [program, "translate", "--model", args.cache / "marian", *options]

    def run(rows):
        with tempfile.TemporaryFile() as stdin:
            stdin.write("\n".join(" ".join(map(str, row)) for row in rows).encode())
            stdin.seek(0)
            return child(command, environment, stdin)

    # What loading takes is no translation.
    _, _, loading, _ = run(rows[:1])
    text, _, seconds, peak = run(rows)
    ids = [json.loads(line)["ids"] for line in text.splitlines()]
    return {"rate": len(rows) / (seconds - loading), "ids": ids, "peak_mb": peak}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--programs", type=Path, default=Path("target/release"))
    parser.add_argument("--backends", default="tch,flex,ndarray")
    parser.add_argument("--jobs", default="llama,marian")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--cache", type=Path, default=Path("target/bench-decode"))
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker in ("make-llama", "make-marian"):
        job = args.worker.removeprefix("make-")
        return {"llama": make_llama, "marian": make_marian}[job](args.cache / job)
    if args.worker:
        return hugging_face(args)
    threads = str(args.threads)
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS", "MATMUL_NUM_THREADS")
    environment = os.environ | {name: threads for name in names}
    for job in args.jobs.split(","):
        folder = args.cache / job
        if not (folder / "config.json").exists():
            folder.mkdir(parents=True, exist_ok=True)
            # Elsewhere: what a process starts counts the memory of that which started it.
            making = [sys.executable, __file__, "--worker", f"make-{job}", "--cache", args.cache]
            subprocess.run(making, check=True)
        sides = ["Hugging Face", *args.backends.split(",")]
        found = {side: [] for side in sides}
        for _ in range(args.rounds):
            for side in sides:
                if side == "Hugging Face":
                    options = ["--worker", job, "--threads", threads, "--cache", str(args.cache)]
                    options += ["--sentences", str(args.sentences)]
                    text, _, _, peak = child([sys.executable, __file__, *options], environment)
                    found[side].append(json.loads(text) | ({"peak_mb": peak} if job == "marian" else {}))
                else:
                    found[side].append(hearth(job, args.programs / f"hearth-{side}", args, environment))
        middle = lambda side, key: statistics.median(run[key] for run in found[side])
        unit = {"llama": "tokens/s", "marian": "sentences/s"}[job]
        print(f"\n{job}: medians of {args.rounds} rounds, {threads} threads")
        if job == "llama":
            bandwidth = middle("Hugging Face", "bandwidth")
            size = sum(path.stat().st_size for path in (args.cache / "llama").glob("*.safetensors")) / 1e9
            print(f"memory is read at {bandwidth:.1f} GB/s; the weights are {size:.2f} GB")
        print(f"\n| | {unit} | of Hugging Face | first token, ms | of the memory's limit | peak MB | same text |")
        print("|---|---|---|---|---|---|---|")
        expected = found["Hugging Face"][0]["ids"]
        for side in sides:
            rate = middle(side, "rate")
            ratio = statistics.median(
                ours["rate"] / theirs["rate"] for ours, theirs in zip(found[side], found["Hugging Face"])
            )
            first = f"{middle(side, 'first_ms'):.0f}" if job == "llama" else ""
            share = f"{100 * rate * size / bandwidth:.0f} %" if job == "llama" else ""
            ids = found[side][0]["ids"]
            if job == "llama":
                same = f"{sum(a == b for a, b in zip(ids, expected))} of {len(expected)} tokens"
            else:
                same = f"{sum(a == b for a, b in zip(ids, expected))} of {len(expected)}"
            peak = middle(side, "peak_mb")
            print(f"| {side} | {rate:.1f} | {ratio:.2f} | {first} | {share} | {peak:.0f} | {same} |", flush=True)


main()
