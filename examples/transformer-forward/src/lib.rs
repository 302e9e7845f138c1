//! The encoder-decoder Transformer of Vaswani et al. 2017 in its original size, on random vectors: what goes in, what
//! each step makes of it, and what comes out. The same model as `torch.nn.Transformer(512, 8, 6, 6, 2048)`.
#![allow(clippy::print_stdout)]

use anyhow::ensure;
use hearth::burn::module::Module;
use hearth::burn::tensor::backend::Backend;
use hearth::burn::tensor::{Distribution, Tensor, s};
use hearth::model::{EncoderDecoder, EncoderDecoderConfig, Positions, StackSize};

/// Sequences of 10 vectors, 32 of them, each 512 wide.
const SEQ: usize = 10;
const BATCH: usize = 32;

/// Runs the example: prints the shapes, and shows that a later target never changes an earlier output.
pub fn run<B: Backend>(device: &B::Device) -> anyhow::Result<()> {
    let size = StackSize {
        d_model: 512,
        n_heads: 8,
        n_layers: 6,
    };
    let config = EncoderDecoderConfig::torch(size);
    println!(
        "model: {} + {} layers, {} wide, {} heads, feed-forward {}",
        config.encoder.n_layers,
        config.decoder.n_layers,
        config.encoder.d_model,
        config.encoder.n_heads,
        config.encoder.d_ff
    );
    B::seed(device, 1);
    let model = config.init::<B>(device);
    println!("parameters: {}", model.num_params());
    forward(&model, size.d_model, device)
}

fn forward<B: Backend>(
    model: &EncoderDecoder<B>,
    d_model: usize,
    device: &B::Device,
) -> anyhow::Result<()> {
    // PyTorch's layout, time first: [seq, batch, d_model]. Here the batch comes first.
    let random = || {
        Tensor::<B, 3>::random(
            [SEQ, BATCH, d_model],
            Distribution::Normal(0.0, 1.0),
            device,
        )
    };
    let (source, target) = (random().swap_dims(0, 1), random().swap_dims(0, 1));
    println!(
        "\nsource {:?}, target {:?}: [batch, seq, d_model]",
        source.dims(),
        target.dims()
    );

    let positions = Positions::<B>::sinusoidal(SEQ, d_model, device).forward(0, SEQ, &[0]);
    println!(
        "+ sinusoidal positions {:?}, the same for every sequence",
        positions.dims()
    );
    let (source, target) = (source + positions.clone(), target + positions);

    let encoded = model.encode(source.clone(), None);
    println!(
        "encoder: every position looks at every other -> memory {:?}",
        encoded.dims()
    );

    let output = model.forward(source.clone(), target.clone(), None);
    println!(
        "decoder: looks at the memory, and at its own past under a causal mask -> output {:?}",
        output.dims()
    );

    // What the causal mask is for: the last target is replaced, and no earlier output moves.
    let last = s![.., SEQ - 1..SEQ, ..];
    let changed = target.clone().slice_assign(last, target.slice(last).neg());
    let other = model.forward(source, changed, None);
    let difference = |range: std::ops::Range<usize>| -> f32 {
        let part = s![.., range, ..];
        let difference = (output.clone().slice(part) - other.clone().slice(part))
            .abs()
            .max();
        difference.into_data().iter().next().unwrap_or(f32::NAN)
    };
    let (before, at) = (difference(0..SEQ - 1), difference(SEQ - 1..SEQ));
    println!(
        "\nthe last target negated: outputs before it move by {before:.1e}, its own by {at:.2}"
    );
    ensure!(before < 1e-5 && at > 1e-2, "the causal mask does not hold");
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn it_runs() {
        super::run::<hearth::backend::Selected>(&hearth::backend::device().unwrap()).unwrap();
    }
}
