//! What each command's help shows besides its options.

/// The examples below each command's help, `{}` standing for the program.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "quickstart",
        "{} quickstart\n  {} quickstart --out /tmp/first-run",
    ),
    (
        "train",
        "{} train --config configs/shakespeare-char-small.toml\n  \
         {} train --config configs/cicero.toml --set train.steps=200 --set train.lr=3e-4\n  \
         {} train --config configs/cicero.toml --data mine.txt --data more.txt.gz --out runs/mine\n  \
         {} train --config configs/shakespeare-char-small.toml --replicas 2\n  \
         {} train --config configs/multi30k-de-en.toml --set train.precision=f16\n  \
         {} train --config configs/cicero.toml --set model.d_model=64 --print-config\n  \
         {} train --config configs/cicero.toml --data mine.txt --set model.from=runs/cicero/best --set lora.rank=4\n  \
         {} train --config configs/cicero.toml --data mine.txt --dry-run\n  \
         mpirun -n 4 {} train --config configs/shakespeare-char-small.toml   (built with --features mpi)\n  \
         {} train --config configs/cicero.toml --out runs/cicero --resume auto\n  \
         {} train --resume runs/cicero/checkpoints/step-00000500",
    ),
    (
        "generate",
        "{} generate --model runs/shakespeare-char-small/best --prompt 'ROMEO:' --temperature 0.8 --top-k 40\n  \
         {} generate --model gpt2 --prompt-ids 464,3290 --max-new-tokens 20 --greedy --json\n  \
         {} generate --model runs/cicero/best --prompt Quid --min-p 0.1 --repetition-penalty 1.2 --stop . --samples 3\n  \
         {} generate --model runs/cicero/best --prompt-lines prompts.txt --seed 1 --shard 0/4\n  \
         {} generate --model big --draft small --prompt Once --greedy\n  \
         {} generate --model runs/cicero/best --prompt 'Quid' --max-new-tokens 40 --attention quid.svg",
    ),
    (
        "translate",
        "echo 'forty-two' | {} translate --model runs/quickstart/best\n  \
         {} translate --model opus-mt-en-fr --input en.txt --output fr.txt --beam 6\n  \
         {} translate --model opus-mt-en-fr --input en.txt --output fr.3.txt --shard 3/8\n  \
         {} translate --model runs/a/best --model runs/b/best --input en.txt --n-best 3 --json\n  \
         echo 'forty-two' | {} translate --model runs/quickstart/best --attention looks.svg",
    ),
    (
        "transcribe",
        "{} transcribe --model runs/tones/best call.wav\n  \
         {} transcribe --model s2t-small-librispeech-asr --beam 8 --json a.wav b.wav",
    ),
    (
        "classify",
        "echo 'Where is Paris?' | {} classify --model runs/trec/best\n  \
         {} classify --model runs/mnist/best --top 3 --json seven.png\n  \
         {} classify --model runs/a/best --model runs/b/best --weights 2,1 --input questions.txt",
    ),
    (
        "fill-mask",
        "echo 'Paris is the [MASK] of France.' | {} fill-mask --model bert-base-uncased",
    ),
    (
        "embed",
        "{} embed --model all-MiniLM-L6-v2 --input sentences.txt --normalize --json > vectors.jsonl",
    ),
    (
        "score",
        "{} score --model runs/shakespeare-char-small/best --input book.txt\n  \
         {} score --model runs/quickstart/best --input pairs.tsv --per-token --json",
    ),
    (
        "evaluate",
        "{} evaluate --model runs/multi30k-de-en/best --data test.de test.en --output hypotheses.en\n  \
         {} evaluate --model runs/trec/best --data TREC_10.label --confusion confusion.svg\n  \
         {} evaluate --model runs/mnist/best --data t10k-images-idx3-ubyte.gz t10k-labels-idx1-ubyte.gz --json\n  \
         {} evaluate --model runs/tones/best --data recordings/transcripts.tsv --alignment errors.txt\n  \
         {} evaluate --model runs/shakespeare-char-small/best --data book.txt\n  \
         {} evaluate --hypotheses hypotheses.en --references test.en other.en --metric bleu,chrf++ --tokenize intl\n  \
         {} evaluate --hypotheses heard.txt --references said.txt --metric wer --lowercase\n  \
         {} evaluate --hypotheses named.txt --references labels.txt --metric accuracy,macro-f1",
    ),
    (
        "forward",
        "{} forward --model gpt2 --inputs reference.safetensors --outputs logits.safetensors",
    ),
    (
        "bench",
        "{} bench train --config configs/shakespeare-char-small.toml\n  \
         {} bench train --config configs/cicero.toml --steps 500 --json\n  \
         {} bench decode --model SmolLM-135M --prompt-tokens 16 --max-new-tokens 128\n  \
         {} bench decode --model SmolLM-135M --precision bf16\n  \
         {} bench decode --model opus-mt-en-fr --batch-size 32 --beam 4\n  \
         {} bench forward --model bert-base-uncased --batch-size 16 --seq 64",
    ),
    (
        "parity",
        "{} parity crates/hub/tests/fixtures/gpt2 crates/hub/tests/fixtures/marian",
    ),
    ("inspect", "{} inspect --model runs/quickstart/best"),
    (
        "convert",
        "{} convert --model runs/quickstart/best --to hf --out for-transformers\n  \
         {} convert --model tiny-llama.Q8_0.gguf --to hf --out tiny-llama\n  \
         {} convert --model tiny-llama --to hearth --out mine --shard-size 500MB",
    ),
    (
        "average",
        "{} average --model runs/a/best --model runs/b/best --out both",
    ),
    ("devices", "{} devices --json"),
    (
        "plot",
        "{} plot runs/quickstart\n  {} plot runs/a runs/b runs/c\n  {} plot runs/a runs/b --output both.svg",
    ),
    (
        "completions",
        "{} completions bash > ~/.local/share/bash-completion/completions/{}",
    ),
];

/// The command with its program's name and its examples.
pub(crate) fn with_examples(command: clap::Command, program: &str) -> clap::Command {
    let named = command
        .bin_name(program.to_owned())
        .display_name(program.to_owned());
    EXAMPLES.iter().fold(named, |command, (name, examples)| {
        let text = format!("Examples:\n  {}", examples.replace("{}", program));
        command.mut_subcommand(*name, |subcommand| subcommand.after_help(text))
    })
}

#[cfg(test)]
mod tests {
    use super::super::Arguments;
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn every_command_shows_an_example_that_parses() {
        let command = with_examples(Arguments::command(), "hearth-test");
        command.clone().debug_assert();
        for subcommand in command.get_subcommands() {
            let name = subcommand.get_name().to_owned();
            let help = subcommand
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            let examples: Vec<&str> = help.lines().skip(1).collect();
            assert!(!examples.is_empty(), "{name} has no example");
            for example in examples {
                let line = example.split("| ").last().unwrap_or_default();
                let line = line.strip_prefix("  mpirun -n 4 ").unwrap_or(line);
                let line = line.split("   (").next().unwrap_or_default();
                let line = line.split(" > ").next().unwrap_or_default();
                let words = line.split_whitespace().map(|word| word.trim_matches('\''));
                let parsed = command.clone().try_get_matches_from(words);
                assert!(
                    parsed.is_ok(),
                    "{example}: {}",
                    parsed.expect_err("an error")
                );
            }
        }
    }
}
