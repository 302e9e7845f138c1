//! A sliding window, against the equations written down one number after the other.

use std::collections::BTreeMap;
use std::path::Path;

use burn::tensor::{Tensor, TensorData, backend::Backend};
use burn_flex::Flex;
use burn_ndarray::NdArray;
use hearth_hub::{Dialect, Model, ModelConfig, ModelDirectory, SpecialTokens, read_tensors};
use hearth_model::{
    Autoregressive, DecodingState, GptConfig, Initialisation, LanguageModel, StackSize,
};

use crate::support::fixture;

/// Mistral as its file says it, in double precision: every query is compared with every key, and then those of the
/// future and those that lie `window` or more back are hidden.
struct Naive {
    tensors: BTreeMap<String, TensorData>,
    config: GptConfig,
}

type Vectors = Vec<Vec<f64>>;

impl Naive {
    fn new(folder: &Path, config: &GptConfig) -> Self {
        Self {
            tensors: read_tensors(&folder.join("model.safetensors")).expect("weights"),
            config: config.clone(),
        }
    }

    /// - returns `[seq, vocab]`
    fn logits(&self, ids: &[i64]) -> Vectors {
        let (table, width) = self.tensor("model.embed_tokens.weight");
        let look_up = |&id: &i64| table[id as usize * width..][..width].to_vec();
        let mut x: Vectors = ids.iter().map(look_up).collect();
        for i in 0..self.config.decoder.n_layers {
            let layer = |name: &str| format!("model.layers.{i}.{name}.weight");
            let normed = self.norm(&x, &layer("input_layernorm"));
            add(&mut x, self.attention(&normed, &layer));
            let normed = self.norm(&x, &layer("post_attention_layernorm"));
            let gate = self.linear(&normed, &layer("mlp.gate_proj"));
            let mut hidden = self.linear(&normed, &layer("mlp.up_proj"));
            for (up, gate) in hidden.iter_mut().flatten().zip(gate.iter().flatten()) {
                *up *= gate / (1.0 + (-gate).exp());
            }
            add(&mut x, self.linear(&hidden, &layer("mlp.down_proj")));
        }
        self.linear(&self.norm(&x, "model.norm.weight"), "lm_head.weight")
    }

    fn attention(&self, x: &Vectors, layer: &dyn Fn(&str) -> String) -> Vectors {
        let decoder = &self.config.decoder;
        let (d_head, window) = (decoder.d_head(), decoder.window.expect("a window"));
        let [query, key, value] =
            ["q", "k", "v"].map(|name| self.linear(x, &layer(&format!("self_attn.{name}_proj"))));
        let mut contexts = vec![vec![0.0; decoder.n_heads * d_head]; x.len()];
        for head in 0..decoder.n_heads {
            // Neighbouring heads of queries share one of keys and values.
            let shared = head / (decoder.n_heads / decoder.n_kv_heads());
            let columns = |head: usize| head * d_head..(head + 1) * d_head;
            for (i, context) in contexts.iter_mut().enumerate() {
                let turned = turn(&query[i][columns(head)], i);
                let scores: Vec<f64> = (0..x.len())
                    .map(|j| {
                        let is_hidden = j > i || j + window <= i;
                        let key = turn(&key[j][columns(shared)], j);
                        let score = dot(&turned, &key) / (d_head as f64).sqrt();
                        if is_hidden { f64::NEG_INFINITY } else { score }
                    })
                    .collect();
                let highest = scores.iter().copied().fold(f64::MIN, f64::max);
                let weights: Vec<f64> = scores.iter().map(|s| (s - highest).exp()).collect();
                let total: f64 = weights.iter().sum();
                for (weight, value) in weights.iter().zip(&value) {
                    let read = value[columns(shared)].iter();
                    for (context, value) in context[columns(head)].iter_mut().zip(read) {
                        *context += weight / total * value;
                    }
                }
            }
        }
        self.linear(&contexts, &layer("self_attn.o_proj"))
    }

    fn norm(&self, x: &Vectors, name: &str) -> Vectors {
        let (weight, width) = self.tensor(name);
        let epsilon = self.config.decoder.norm_epsilon;
        let norm = |x: &Vec<f64>| {
            let root = (dot(x, x) / width as f64 + epsilon).sqrt();
            x.iter().zip(&weight).map(|(x, w)| w * x / root).collect()
        };
        x.iter().map(norm).collect()
    }

    fn linear(&self, x: &Vectors, name: &str) -> Vectors {
        let (weight, width) = self.tensor(name);
        let row = |x: &Vec<f64>| weight.chunks(width).map(|w| dot(w, x)).collect();
        x.iter().map(row).collect()
    }

    /// Its numbers, and how long a row of them is.
    fn tensor(&self, name: &str) -> (Vec<f64>, usize) {
        let tensor = &self.tensors[name];
        let width = tensor.shape[tensor.shape.len() - 1];
        (tensor.iter::<f64>().collect(), width)
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn add(x: &mut Vectors, branch: Vectors) {
    for (x, branch) in x.iter_mut().flatten().zip(branch.into_iter().flatten()) {
        *x += branch;
    }
}

/// Rotary positions: channel `i` of the first half and of the second are a point, turned by `position · 10000^(-2i/d)`.
fn turn(x: &[f64], position: usize) -> Vec<f64> {
    let half = x.len() / 2;
    let mut turned = x.to_vec();
    for i in 0..half {
        let frequency = 10_000f64.powf(-(i as f64) / half as f64);
        let (sin, cos) = (position as f64 * frequency).sin_cos();
        turned[i] = x[i] * cos - x[i + half] * sin;
        turned[i + half] = x[i + half] * cos + x[i] * sin;
    }
    turned
}

/// Longer than the window and two blocks of the cache.
const SEQ: usize = 150;

fn steps_are_the_equations<B: Backend>(folder: &Path) {
    let device = B::Device::default();
    let directory = ModelDirectory::<B>::load(folder, &device).expect("a model");
    let (ModelConfig::Gpt(config), Model::Gpt(gpt)) = (&directory.config, &directory.model) else {
        panic!("mistral is a decoder-only model");
    };
    let vocab = config.embedding.vocab;
    let ids: Vec<i64> = (0..SEQ).map(|i| ((i * i + 3 * i) % vocab) as i64).collect();
    let expected = Naive::new(folder, config).logits(&ids);
    for pieces in [&[1][..], &[SEQ], &[9, 1, 1, 30], &[2, 1, 7], &[70, 1, 1, 1]] {
        let (mut state, mut found) = (gpt.start(&[0]), Vec::new());
        let mut pieces = pieces.iter().cycle();
        while state.n_past() < SEQ {
            let begin = state.n_past();
            let end = (begin + pieces.next().expect("endless")).min(SEQ);
            let tokens = Tensor::<B, 1, burn::tensor::Int>::from_data(&ids[begin..end], &device);
            let logits = gpt.step(tokens.reshape([1, end - begin]), &mut state);
            found.extend(logits.into_data().iter::<f64>());
        }
        assert_eq!(found.len(), SEQ * vocab);
        for (i, (found, expected)) in found.iter().zip(expected.iter().flatten()).enumerate() {
            let near = (found - expected).abs() <= 1e-5 * (1.0 + expected.abs());
            assert!(near, "position {}: {found}, expected {expected}", i / vocab);
        }
    }
}

#[test]
fn steps_under_the_window_of_mistral_are_the_equations_of_all_scores() {
    steps_are_the_equations::<Flex>(&fixture("mistral"));
    steps_are_the_equations::<NdArray>(&fixture("mistral"));
}

#[test]
fn steps_under_a_fresh_window_are_the_equations_of_all_scores() {
    let size = StackSize {
        d_model: 24,
        n_heads: 6,
        n_layers: 3,
    };
    for (n_kv_heads, window) in [(2, 3), (6, 1), (1, 80)] {
        let mut config = GptConfig::llama(13, SEQ, size);
        // Weights that are large enough for attention to be sharp.
        config.initialisation = Initialisation::Xavier;
        config.decoder.n_kv_heads = Some(n_kv_heads);
        config.decoder.window = Some(window);
        let folder = tempfile::tempdir().expect("a folder");
        let directory = ModelDirectory::<Flex> {
            model: Model::Gpt(config.init(&Default::default())),
            config: ModelConfig::Gpt(config),
            special: SpecialTokens::default(),
            dialect: Dialect::Mistral,
            tokenizer: None,
            target_tokenizer: None,
            features: None,
            pixels: None,
            labels: None,
        };
        let folder = folder.path().join("model");
        directory.save(&folder).expect("saved");
        steps_are_the_equations::<Flex>(&folder);
    }
}
