//! Image recognition: a small Vision Transformer learns to read handwritten digits.
#![allow(clippy::print_stdout)]

use anyhow::{Context, bail};
use hearth::burn::tensor::backend::{AutodiffBackend, Backend};
use hearth::data::{ConfusionMatrix, Image, LabelledImages};
use hearth::hub::{Model, ModelDirectory};
use hearth::infer::{classify_images, likeliest};
use hearth::train::{Event, HeatMap, Recipe, held_out_images};
use std::path::{Path, PathBuf};

/// What is trained, on what, how. The digits come with the crate.
const RECIPE: &str = r#"
[model]
architecture = "vit"
d_model = 64
n_heads = 4
n_layers = 2
patch = 2
dropout = 0.1

[data]
embedded = "digits"

[train]
steps = 800
batch_size = 64
lr = 2e-3
validate_every = 200
"#;

/// From white to black, as dense as a character is.
const INK: &[u8] = b" .:-=+*#%@";

/// Trains a small Vision Transformer to read handwritten digits, and shows which it takes for which.
#[derive(Debug, Clone, clap::Parser)]
#[command(version)]
pub struct Args {
    /// Images to learn from, in place of the digits that come with the program: two IDX files, or a folder of a folder a class
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub data: Vec<PathBuf>,
    /// Changes one key of the recipe, such as `model.image=[1,28,28]`; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Where the run is written
    #[arg(long, value_name = "DIR", default_value = "runs/image-recognition")]
    pub out: PathBuf,
}

/// What held-out images were taken for.
struct Judged {
    matrix: ConfusionMatrix,
    labels: Vec<String>,
    /// Images that were taken for something else: the image, what it is, what it was taken for.
    mistakes: Vec<(Image, usize, usize)>,
}

/// Trains in `args.out`, then reads images that training never saw.
pub fn run<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<()> {
    let Judged {
        matrix,
        labels,
        mistakes,
    } = train_and_read::<B>(args, device)?;
    println!(
        "\n{:.1} % of {} images that training never saw are read right; not these:",
        100.0 * matrix.accuracy(),
        matrix.n()
    );
    for (image, label, taken_for) in mistakes.iter().take(2) {
        println!("{} taken for {}", labels[*label], labels[*taken_for]);
        print!("{}", in_characters(image));
    }
    println!("picture: {}", args.out.join("confusion.svg").display());
    Ok(())
}

fn train_and_read<B: AutodiffBackend>(args: &Args, device: &B::Device) -> anyhow::Result<Judged> {
    let origin = Path::new("image-recognition");
    let recipe = Recipe::parse(RECIPE, origin, &args.set, &args.data)?;
    hearth::train::run::<B>(&recipe, &args.out, device, &mut |event| match event {
        Event::Started {
            n_parameters, data, ..
        } => println!("{n_parameters} parameters; {data}"),
        Event::Validated {
            step, evaluation, ..
        } => println!("step {step}: loss {:.3}", evaluation.loss()),
        _ => {}
    })?;

    // What was saved is what any program would load; from here on there are no gradients.
    let directory = ModelDirectory::<B::InnerBackend>::load(&args.out.join("best"), device)?;
    let (_, held_out) = held_out_images(&recipe)?;
    let judged = judge(&directory, held_out, device)?;
    let picture = HeatMap::confusion(&judged.labels, &judged.matrix).svg()?;
    std::fs::write(args.out.join("confusion.svg"), picture)?;
    Ok(judged)
}

fn judge<B: Backend>(
    directory: &ModelDirectory<B>,
    held_out: LabelledImages,
    device: &B::Device,
) -> anyhow::Result<Judged> {
    let Model::Vit(model) = &directory.model else {
        bail!("a recipe for vit trains a vit");
    };
    let pixels = directory.pixel_config().context("how pixels are read")?;
    let mut matrix = ConfusionMatrix::new(held_out.labels.len());
    let mut mistakes = Vec::new();
    for batch in held_out.images.chunks(64) {
        let values: Vec<_> = batch.iter().map(|one| pixels.values(&one.image)).collect();
        let found = classify_images(model, &values, device)?;
        for (one, probabilities) in batch.iter().zip(found) {
            let taken_for = likeliest(&probabilities, 1)[0];
            matrix.add(one.label, taken_for);
            if taken_for != one.label {
                mistakes.push((one.image.clone(), one.label, taken_for));
            }
        }
    }
    let labels = held_out.labels;
    Ok(Judged {
        matrix,
        labels,
        mistakes,
    })
}

/// An image as lines of text, two characters a pixel: about as wide as it is high.
fn in_characters(image: &Image) -> String {
    let grey = image.clone().with_channels(1);
    let ink = |&grey: &u8| char::from(INK[usize::from(grey) * (INK.len() - 1) / 255]);
    let line = |row: &[u8]| {
        row.iter()
            .flat_map(|grey| [ink(grey); 2])
            .collect::<String>()
    };
    let lines = grey.pixels.chunks(grey.width.max(1));
    lines.map(|row| format!("  |{}|\n", line(row))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use hearth::burn::backend::Autodiff;

    type B = Autodiff<hearth::backend::Selected>;

    fn judged(given: &[&str], out: &Path) -> Judged {
        let out = ["", "--out", out.to_str().unwrap()];
        let args = Args::parse_from(out.iter().chain(given));
        train_and_read::<B>(&args, &hearth::backend::device().unwrap()).unwrap()
    }

    #[test]
    fn a_few_steps_read_most_digits() {
        let folder = tempfile::tempdir().unwrap();
        let quick = [
            "train.steps=100",
            "train.warmup_steps=10",
            "train.lr=5e-3",
            "model.d_model=32",
            "model.patch=4",
            "model.dropout=0.0",
        ];
        let given: Vec<&str> = quick.iter().flat_map(|one| ["--set", one]).collect();
        let judged = judged(&given, folder.path());
        let accuracy = judged.matrix.accuracy();
        assert!(accuracy > 0.5, "{accuracy}");
        let picture = std::fs::read_to_string(folder.path().join("confusion.svg")).unwrap();
        assert!(picture.contains("confusion of 10 classes"), "{picture}");
    }

    /// Portable grey maps in a folder for each class, which need no library to be written.
    #[test]
    fn images_of_ones_own_take_the_place_of_the_digits() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("shades");
        for (class, grey) in [("dark", 0), ("light", 200)] {
            std::fs::create_dir_all(data.join(class)).unwrap();
            for n in 0..50u8 {
                let header = b"P5 4 4 255\n".as_slice();
                let image = [header, &[grey + n; 16]].concat();
                std::fs::write(data.join(class).join(format!("{n}.pgm")), image).unwrap();
            }
        }
        let sizes = ["--set", "model.image=[1,4,4]", "--set", "train.steps=2"];
        let given = [&["--data", data.to_str().unwrap()], sizes.as_slice()].concat();
        let judged = judged(&given, &folder.path().join("run"));
        assert_eq!(judged.labels, ["dark", "light"]);
        assert!(judged.matrix.n() > 0);
    }

    #[test]
    fn an_image_is_drawn_as_wide_as_it_is_high() {
        let image = Image {
            channels: 1,
            height: 2,
            width: 2,
            pixels: vec![0, 255, 128, 0],
        };
        assert_eq!(in_characters(&image), "  |  @@|\n  |==  |\n");
    }
}
