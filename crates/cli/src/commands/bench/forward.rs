//! `bench forward`: a model's outputs for random inputs, from the host and back to it.

use super::peak::flops_per_s;
use super::{median, random_rows};
use crate::Context;
use crate::arguments::BenchForward;
use crate::commands::forward::{Inputs, forward};
use crate::commands::loaded::open_in;
use crate::console::thousands;
use crate::error::CliError;
use crate::memory::peak_megabytes;
use crate::platform::{Inference, Platform};
use crate::progress::Progress;
use burn::tensor::TensorData;
use burn::tensor::backend::Backend;
use hearth_batch::{Stream, derive_seed};
use hearth_hub::Model;
use hearth_model::{Autoregressive, Conditional};
use serde_json::json;
use std::time::Instant;

/// Tokens a row where none are asked for.
const SEQ: usize = 128;

pub(crate) fn run<P: Platform>(
    options: &BenchForward,
    context: &Context<P>,
) -> Result<(), CliError> {
    let loaded = open_in(&options.model, options.precision.get(), context)?;
    let directory = &loaded.directory;
    let seed = context.seed.unwrap_or(0);
    let n_positions = directory.config.n_positions();
    let (inputs, work) = random_inputs(&directory.model, n_positions, options, seed);
    let (n_warm_up, n_steps) = (options.warm_up as u64, options.steps as u64);
    let mut times = Vec::new();
    let mut progress = Progress::new(context.console, n_warm_up + n_steps);
    for step in 0..n_warm_up + n_steps {
        let began = Instant::now();
        forward::<Inference<P>>(&directory.model, &inputs, &context.device)?;
        if step >= n_warm_up {
            times.push(began.elapsed());
        }
        progress.update(step + 1, n_warm_up + n_steps, || "passes".to_owned());
    }
    progress.finish();
    let a_step = median(times).as_secs_f64().max(1e-9);
    let n_tokens = options.batch_size * work.seq;
    let rate = n_tokens as f64 / a_step;

    let parameters = directory.model.parameters();
    let cost = directory.config.cost(&parameters);
    let source = cost.source_token.map_or(0, |cost| cost.n_multiplied);
    let multiplied = work.seq as u64 * cost.token.n_multiplied + work.source_seq as u64 * source;
    let flops = 2 * options.batch_size as u64 * multiplied;
    let limit = flops_per_s::<Inference<P>>(&context.device);
    let share = flops as f64 / a_step / limit;
    let peak = peak_megabytes();
    let n_parameters = loaded.n_parameters();
    let result = json!({
        "backend": P::NAME,
        "device": context.device_name,
        "model": options.model,
        "n_parameters": n_parameters,
        "batch_size": options.batch_size,
        "seq": work.seq,
        "source_seq": work.source_seq,
        "steps": n_steps,
        "tokens_per_s": rate,
        "ms_per_step": a_step * 1e3,
        "flops_per_step": flops,
        "peak_flops_per_s": limit,
        "share_of_peak": share,
        "peak_mb": peak,
    });
    let memory = peak.map_or(String::new(), |peak| format!(", {peak:.0} MB at most"));
    let text = format!(
        "{rate:.0} tokens/s: {:.2} ms for {} rows of {} (median of {n_steps}){memory}\n\
         {:.0} % of the {:.0} GFLOP/s at which {} multiplies matrices; {} parameters",
        a_step * 1e3,
        options.batch_size,
        work.seq,
        share * 100.0,
        limit / 1e9,
        context.device_name,
        thousands(n_parameters),
    );
    context.console.result(&result, text)
}

/// How long a row is: its vectors behind the stem.
struct Work {
    seq: usize,
    /// Of an encoder beside a decoder.
    source_seq: usize,
}

/// Inputs of any model, under the names that [`forward`] knows.
fn random_inputs<B: Backend>(
    model: &Model<B>,
    n_positions: Option<usize>,
    options: &BenchForward,
    seed: u64,
) -> (Inputs<'static>, Work) {
    let batch = options.batch_size;
    let at_most = |limit: usize| options.seq.unwrap_or(SEQ.min(limit));
    let tokens = |vocab, seq| {
        let rows = random_rows(seed, [batch, seq], vocab).concat();
        let ids: Vec<i64> = rows.into_iter().map(i64::from).collect();
        TensorData::new(ids, [batch, seq])
    };
    let vectors = |shape: &[usize]| {
        let number = |i| (derive_seed(seed, Stream::Data, i) >> 40) as f32 / (1 << 23) as f32 - 1.0;
        let n = shape.iter().product::<usize>() as u64;
        TensorData::new((0..n).map(number).collect::<Vec<f32>>(), shape)
    };
    let of = |tensors: Vec<(&str, TensorData)>, seq, source_seq| {
        (Inputs::made(tensors), Work { seq, source_seq })
    };
    let text = |vocab: usize, seq: usize| of(vec![("input_ids", tokens(vocab, seq))], seq, 0);
    let pair = |vocabs: [usize; 2], limit: usize| {
        let seq = at_most(limit);
        let [source, target] = vocabs.map(|vocab| tokens(vocab, seq));
        let inputs = vec![("input_ids", source), ("decoder_input_ids", target)];
        of(inputs, seq, seq)
    };
    match model {
        Model::Gpt(gpt) => text(gpt.vocab(), at_most(gpt.max_positions())),
        Model::RnnLm(rnn) => text(rnn.vocab(), at_most(rnn.max_positions())),
        Model::Bert(bert) => text(bert.vocab(), at_most(bert.max_positions())),
        Model::Transformer(model) => pair([model.vocab(); 2], model.max_positions()),
        Model::RnnSeq2Seq(model) => {
            let limit = model.max_source_positions().min(model.max_positions());
            pair([model.source_size(), model.vocab()], limit)
        }
        Model::SpeechToText(model) => {
            let n_frames = at_most(model.max_source_positions());
            let seq = SEQ.min(model.max_positions());
            let frames = vectors(&[batch, n_frames, model.n_mels()]);
            let target = tokens(model.vocab(), seq);
            let inputs = vec![("input_features", frames), ("decoder_input_ids", target)];
            of(inputs, seq, model.source_seq(n_frames))
        }
        Model::EncoderDecoder(stacks) => {
            let seq = at_most(SEQ);
            let side = || vectors(&[seq, batch, stacks.d_model()]);
            of(vec![("src", side()), ("tgt", side())], seq, seq)
        }
        Model::Vit(vit) => {
            let image = vit.image();
            let pixels = vectors(&[batch, image.n_channels, image.height, image.width]);
            of(vec![("pixel_values", pixels)], n_positions.unwrap_or(1), 0)
        }
    }
}
