//! All trainings of the study, and what is measured of them.

use crate::Options;
use crate::first_step::FirstStep;
use crate::setting::{SCHEMES, Scheme, Setting, unigram_loss};
use hearth::burn::tensor::backend::AutodiffBackend;
use serde::Serialize;
use std::time::Instant;

/// The schemes of a quick run.
const QUICK: [&str; 2] = ["before, xavier", "after, xavier"];

/// What is trained: each scheme at each depth with each warm-up.
pub(crate) struct Grid {
    pub(crate) schemes: Vec<Scheme>,
    pub(crate) depths: Vec<usize>,
    pub(crate) warmups: Vec<u64>,
}

impl Grid {
    fn new(options: &Options) -> Self {
        let (only, depths, warmups): (&[&str], &[usize], _) = match options.quick {
            true => (&QUICK, &[2, 12], vec![0]),
            false => (&[], &[2, 6, 12], vec![0, 100]),
        };
        let is_asked_for = |scheme: &&Scheme| only.is_empty() || only.contains(&scheme.name);
        let depths = match options.depths.as_slice() {
            [] => depths,
            given => given,
        };
        Self {
            schemes: SCHEMES.iter().filter(is_asked_for).copied().collect(),
            depths: depths.to_vec(),
            warmups,
        }
    }

    /// The shallow ones first.
    fn settings(&self, (steps, lr): (u64, f64), seed: u64) -> Vec<Setting> {
        let mut settings = Vec::new();
        for &n_layers in &self.depths {
            for &warmup_steps in &self.warmups {
                settings.extend(self.schemes.iter().map(|&scheme| Setting {
                    scheme,
                    n_layers,
                    warmup_steps,
                    seed,
                    steps,
                    lr,
                }));
            }
        }
        settings
    }
}

/// A training and how it ended: a line of `losses.csv`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Trained {
    pub(crate) scheme: &'static str,
    pub(crate) n_layers: usize,
    pub(crate) warmup_steps: u64,
    pub(crate) seed: u64,
    /// See [`FirstStep`].
    pub(crate) move_of_logits: f64,
    /// On text that was held out, nats a character, to three digits; none where it did not stay finite.
    pub(crate) loss: Option<f64>,
}

/// The gradient of one layer before the first step: a line of `gradients.csv`.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct LayerGradient {
    pub(crate) scheme: &'static str,
    pub(crate) layer: usize,
    pub(crate) seed: u64,
    /// Over all parameters of the layer.
    pub(crate) norm: f64,
}

/// All that was measured.
pub(crate) struct Study {
    pub(crate) grid: Grid,
    /// What a model costs that knows how often each character is, and nothing else.
    pub(crate) unigram: f64,
    pub(crate) trained: Vec<Trained>,
    /// Of the deepest models.
    pub(crate) gradients: Vec<LayerGradient>,
}

impl Study {
    pub(crate) fn run<B: AutodiffBackend>(
        options: &Options,
        device: &B::Device,
    ) -> anyhow::Result<Self> {
        let steps = if options.quick { 100 } else { 200 };
        let rate = (options.steps.unwrap_or(steps), options.lr);
        let seeds = 1..=options.seeds;
        let mut study = Self {
            grid: Grid::new(options),
            unigram: unigram_loss()?,
            trained: Vec::new(),
            gradients: Vec::new(),
        };
        let settings: Vec<Setting> = seeds
            .flat_map(|seed| study.grid.settings(rate, seed))
            .collect();
        let begun = Instant::now();
        for (i, setting) in settings.iter().enumerate() {
            study.measure::<B>(setting, device)?;
            let loss = study.trained.last().and_then(|trained| trained.loss);
            let shown = loss.map_or("not finite".to_owned(), |loss| format!("{loss:.3}"));
            let (n, seconds) = (settings.len(), begun.elapsed().as_secs_f64());
            println!("{:>3}/{n} {setting}: {shown} ({seconds:.0} s)", i + 1);
        }
        Ok(study)
    }

    fn measure<B: AutodiffBackend>(
        &mut self,
        setting: &Setting,
        device: &B::Device,
    ) -> anyhow::Result<()> {
        let Setting { scheme, seed, .. } = *setting;
        let first = FirstStep::of::<B>(setting, device)?;
        let is_deepest = self.grid.depths.iter().all(|&n| n <= setting.n_layers);
        // Warm-up changes nothing before the first step.
        if is_deepest && setting.warmup_steps == self.grid.warmups[0] {
            let norms = first.layer_norms.into_iter().enumerate();
            self.gradients.extend(norms.map(|(i, norm)| LayerGradient {
                scheme: scheme.name,
                layer: i + 1,
                seed,
                norm,
            }));
        }
        let loss = setting.train::<B>(device)?;
        self.trained.push(Trained {
            scheme: scheme.name,
            n_layers: setting.n_layers,
            warmup_steps: setting.warmup_steps,
            seed,
            move_of_logits: first.move_of_logits,
            loss: loss.map(|loss| (1000.0 * loss).round() / 1000.0),
        });
        Ok(())
    }

    /// The mean over the seeds; none where one of them did not stay finite.
    pub(crate) fn loss(&self, scheme: &Scheme, n_layers: usize, warmup_steps: u64) -> Option<f64> {
        let here = |line: &&Trained| {
            (line.scheme, line.n_layers, line.warmup_steps) == (scheme.name, n_layers, warmup_steps)
        };
        let losses = self.trained.iter().filter(here).map(|line| line.loss);
        losses
            .collect::<Option<Vec<f64>>>()
            .map(|losses| mean(&losses))
    }

    /// The mean over the seeds, of each layer, counted from 1.
    pub(crate) fn gradients(&self, scheme: &Scheme) -> Vec<(f64, f64)> {
        let depth = self.gradients.iter().map(|line| line.layer).max();
        let of_layer = |layer: usize| {
            let here = |line: &&LayerGradient| (line.scheme, line.layer) == (scheme.name, layer);
            let norms = self.gradients.iter().filter(here).map(|line| line.norm);
            (layer as f64, mean(&norms.collect::<Vec<f64>>()))
        };
        (1..=depth.unwrap_or(0)).map(of_layer).collect()
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}
