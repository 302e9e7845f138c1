//! The command line as clap sees it.

mod attention;
mod converting;
mod decoding;
mod evaluating;
mod examples;
mod precision;
mod reading;

use crate::shard::Sharding;
use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

pub(crate) use attention::Attention;
pub(crate) use converting::{Average, Convert, Target};
pub(crate) use decoding::{Decoding, Hearing, Models, RuleOptions, Search, Writing};
pub(crate) use evaluating::{Evaluate, Judging, MetricKind};
pub(crate) use examples::with_examples;
pub(crate) use precision::PrecisionOption;
pub(crate) use reading::{Batches, Classify, Embed, FillMask, Lines, PoolingKind};

/// Train and run sequence models: GPT, LLaMA, LSTM, BERT, encoder-decoders of text and of speech, images.
#[derive(Debug, Parser)]
#[command(version, long_version = with_features(), arg_required_else_help = true)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) common: Common,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Args)]
pub(crate) struct Common {
    /// Where to compute; `devices` lists the names
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) device: Option<String>,
    /// One seed, one result
    #[arg(long, global = true, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Results as one JSON object a line
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say nothing but results and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Say more
    #[arg(short, long, global = true, conflicts_with = "quiet")]
    pub(crate) verbose: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Train, evaluate, use and plot a small model on embedded data, in about a minute
    Quickstart(Quickstart),
    /// Train a model by a recipe
    Train(Train),
    /// Continue a prompt; for an encoder-decoder, write what follows from it
    Generate(Generate),
    /// Translate text, line by line
    Translate(Translate),
    /// Write down what is said in WAV files
    Transcribe(Transcribe),
    /// Name the class of each line of text, or of images
    Classify(Classify),
    /// Guess the tokens under the masks of each line
    FillMask(FillMask),
    /// A vector for each line of text
    Embed(Embed),
    /// How likely a text is: nll, perplexity, bits per byte
    Score(Score),
    /// How good a model is on data, or a file beside references: BLEU, chrF, WER, CER, accuracy, F1, perplexity
    Evaluate(Evaluate),
    /// Raw tensors in, raw tensors out, under Hugging Face's names
    Forward(Forward),
    /// How fast this device is
    #[command(subcommand)]
    Bench(Bench),
    /// Whether this device computes what the reference models' libraries computed
    Parity(Parity),
    /// What a model directory holds, and what it costs
    Inspect(Inspect),
    /// Write a model as another library does, or from a GGUF file
    Convert(Convert),
    /// The mean of the weights of several models of one kind
    Average(Average),
    /// The devices that are there
    Devices,
    /// Draw the losses of one or several runs
    Plot(Plot),
    /// A completion script for a shell
    Completions(Completions),
}

#[derive(Debug, Args)]
pub(crate) struct Quickstart {
    /// The run's folder; by default the first free of runs/quickstart, runs/quickstart-2, …
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Train {
    /// The recipe; of a run that goes on, by default its own
    #[arg(long, value_name = "FILE.toml", required_unless_present = "resume")]
    pub(crate) config: Option<PathBuf>,
    /// Data instead of the recipe's; may be given again
    #[arg(long, value_name = "PATH")]
    pub(crate) data: Vec<PathBuf>,
    /// The run's folder; by default the first free of runs/RECIPE, runs/RECIPE-2, …
    #[arg(long, value_name = "DIR")]
    pub(crate) out: Option<PathBuf>,
    /// Go on from a run's folder or from one of its checkpoints; auto: from the newest checkpoint of --out (or of
    /// runs/RECIPE) if there is one, else from the beginning
    #[arg(long, value_name = "auto|PATH", num_args = 0..=1, default_missing_value = "auto")]
    pub(crate) resume: Option<PathBuf>,
    /// Copies of this program that train together, each on a part of every batch; by default as many as there are processors,
    /// on a backend that is faster so
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) replicas: Option<usize>,
    /// Change a value of the recipe, for example train.steps=200; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Print the recipe with all that is changed here, and do nothing else
    #[arg(long)]
    pub(crate) print_config: bool,
    /// Check recipe and data and say what the run will cost in memory and time; write nothing
    #[arg(long, conflicts_with_all = ["resume", "print_config"])]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Generate {
    #[command(flatten)]
    pub(crate) models: Models,
    /// The text to go on from; given again, several prompts at once
    #[arg(long, value_name = "TEXT", group = "source")]
    pub(crate) prompt: Vec<String>,
    /// A file with the text to go on from
    #[arg(long, value_name = "FILE", group = "source")]
    pub(crate) prompt_file: Option<PathBuf>,
    /// A file with prompts, one a line
    #[arg(long, value_name = "FILE", group = "source")]
    pub(crate) prompt_lines: Option<PathBuf>,
    /// Tokens to go on from, as 1,2,3; given again, several prompts at once
    #[arg(long, value_name = "IDS", group = "source")]
    pub(crate) prompt_ids: Vec<String>,
    /// New tokens at most
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub(crate) max_new_tokens: usize,
    /// Texts to write for each prompt
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) samples: usize,
    /// Texts at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) batch_size: usize,
    #[command(flatten)]
    pub(crate) sharding: Sharding,
    /// A smaller model with the same tokenizer, which writes ahead: same text (sampled: same distribution), sooner
    #[arg(long, value_name = "DIR", conflicts_with = "beam")]
    pub(crate) draft: Option<PathBuf>,
    /// Tokens that it writes ahead
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = at_least_one, requires = "draft")]
    pub(crate) draft_tokens: usize,
    #[command(flatten)]
    pub(crate) decoding: Decoding,
    #[command(flatten)]
    pub(crate) attention: Attention,
}

#[derive(Debug, Args)]
pub(crate) struct Translate {
    #[command(flatten)]
    pub(crate) models: Models,
    /// The text, a sentence a line; standard input if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Where the translation goes; standard output if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) writing: Writing,
    /// Translations of each sentence, best first; at most as many as beams
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) n_best: usize,
    /// Sentences at once
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = at_least_one)]
    pub(crate) batch_size: usize,
    #[command(flatten)]
    pub(crate) sharding: Sharding,
    #[command(flatten)]
    pub(crate) attention: Attention,
}

#[derive(Debug, Args)]
pub(crate) struct Transcribe {
    #[command(flatten)]
    pub(crate) models: Models,
    /// The recordings
    #[arg(value_name = "FILE.wav", required = true)]
    pub(crate) recordings: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) hearing: Hearing,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) sharding: Sharding,
}

#[derive(Debug, Args)]
pub(crate) struct Score {
    #[command(flatten)]
    pub(crate) models: Models,
    /// The text (gpt), or lines of source, tab, target (encoder-decoder); standard input if not given
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// For text longer than the model's context: tokens between the starts of two windows; by default half a context
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) stride: Option<usize>,
    /// Each token with its log-probability
    #[arg(long)]
    pub(crate) per_token: bool,
    #[command(flatten)]
    pub(crate) sharding: Sharding,
}

#[derive(Debug, Args)]
pub(crate) struct Forward {
    /// The model directory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) precision: PrecisionOption,
    /// Input tensors: input_ids, attention_mask, token_type_ids, decoder_input_ids; src, tgt; pixel_values
    #[arg(long, value_name = "F.safetensors")]
    pub(crate) inputs: PathBuf,
    /// Where logits (or output, or last_hidden_state) go
    #[arg(long, value_name = "F.safetensors")]
    pub(crate) outputs: PathBuf,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Time training steps of a recipe, on random tokens
    Train(BenchTrain),
    /// Time the tokens that a model writes behind random ones
    Decode(BenchDecode),
    /// Time a model's outputs for random inputs
    Forward(BenchForward),
}

#[derive(Debug, Args)]
pub(crate) struct BenchDecode {
    /// The model directory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) precision: PrecisionOption,
    /// Tokens of each prompt or, for an encoder-decoder, of each source
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = at_least_one)]
    pub(crate) prompt_tokens: usize,
    /// Tokens to write behind each
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = at_least_two)]
    pub(crate) max_new_tokens: usize,
    /// Texts at once
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) batch_size: usize,
    /// Search with this many beams; with one, the likeliest token is taken each time
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = at_least_one)]
    pub(crate) beam: usize,
    /// How often all of it is timed, after once that does not count
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub(crate) rounds: usize,
}

#[derive(Debug, Args)]
pub(crate) struct BenchForward {
    /// The model directory
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
    #[command(flatten)]
    pub(crate) precision: PrecisionOption,
    /// Tokens a row, or frames of a recording; by default 128, or as many as the model has positions for
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) seq: Option<usize>,
    /// Rows at once
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = at_least_one)]
    pub(crate) batch_size: usize,
    /// Passes to time
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = at_least_one)]
    pub(crate) steps: usize,
    /// Passes before them that do not count
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub(crate) warm_up: usize,
}

#[derive(Debug, Args)]
pub(crate) struct BenchTrain {
    /// The recipe
    #[arg(long, value_name = "FILE.toml")]
    pub(crate) config: PathBuf,
    /// Change a value of the recipe; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub(crate) set: Vec<String>,
    /// Steps to time
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = at_least_one)]
    pub(crate) steps: usize,
    /// Steps before them that do not count
    #[arg(long, value_name = "N", default_value_t = 10)]
    pub(crate) warm_up: usize,
    /// Copies of this program that train together; by default as with train
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) replicas: Option<usize>,
}

#[derive(Debug, Args)]
pub(crate) struct Parity {
    /// Model directories with a reference.safetensors, and perhaps a training.safetensors, beside the weights
    #[arg(value_name = "DIR", required = true)]
    pub(crate) references: Vec<PathBuf>,
    /// Random prompts whose texts must not depend on the batch or the cache
    #[arg(long, value_name = "N", default_value_t = 8)]
    pub(crate) prompts: usize,
}

#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The model directory, or a GGUF file
    #[arg(long, value_name = "DIR")]
    pub(crate) model: PathBuf,
}

#[derive(Debug, Args)]
pub(crate) struct Plot {
    /// Run folders
    #[arg(value_name = "RUN_DIR", required = true)]
    pub(crate) runs: Vec<PathBuf>,
    /// The picture; by default loss.svg in the run's folder or, of several runs, losses.svg beside the first one's
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Completions {
    /// The shell
    pub(crate) shell: clap_complete::Shell,
}

/// The version, and what the program was built with.
fn with_features() -> &'static str {
    match hearth_train::Mpi::IS_THERE {
        true => concat!(env!("CARGO_PKG_VERSION"), "\nbuilt with: mpi"),
        false => env!("CARGO_PKG_VERSION"),
    }
}

pub(crate) fn at_least_two(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0 | 1) | Err(_) => Err("expected a whole number of at least 2"),
        Ok(count) => Ok(count),
    }
}

pub(crate) fn at_least_one(text: &str) -> Result<usize, &'static str> {
    match text.parse() {
        Ok(0) | Err(_) => Err("expected a whole number of at least 1"),
        Ok(count) => Ok(count),
    }
}

pub(crate) fn part(text: &str) -> Result<f64, &'static str> {
    match text.parse() {
        Ok(part) if (0.0..=1.0).contains(&part) => Ok(part),
        _ => Err("expected a number from 0 to 1"),
    }
}
