//! A stack of layers: the encoder, the decoder and the decoder-only body of every Transformer here.

use crate::attention_map::{AttentionMaps, AttentionSize, Record};
use crate::cache::KeyValueCache;
use crate::initialisation::{Initialisation, WeightInitialisers};
use crate::layer::{CrossInput, Layer, LayerContext, Sight};
use crate::mask::Mask;
use crate::memory::Memory;
use crate::norm::Norm;
use crate::rotary::Rotation;
use crate::stack_config::{RelativePositions, StackConfig};
use burn::module::Module;
use burn::tensor::{Bool, Distribution, Int, Tensor, backend::Backend};

impl StackConfig {
    /// # Panics
    /// If the config does not [`validate`](Self::validate).
    pub fn init<B: Backend>(&self, initialisation: Initialisation, device: &B::Device) -> Stack<B> {
        let initialisers = initialisation.initialisers(self.d_model, self.n_layers);
        self.init_with(&initialisers, device)
    }

    fn init_with<B: Backend>(
        &self,
        initialisers: &WeightInitialisers,
        device: &B::Device,
    ) -> Stack<B> {
        let initialisers = initialisers.beside(self.residual_scale);
        Stack {
            layers: (0..self.n_layers)
                .map(|_| Layer::new(self, &initialisers, device))
                .collect(),
            final_norm: self.final_norm.then(|| self.new_norm(device)),
            d_model: self.d_model,
            d_head: self.d_head(),
            n_heads: self.n_heads,
            positions: self.positions,
            window: self.window,
            layer_drop: self.layer_drop,
        }
    }
}

/// Layers in order, and perhaps one more norm.
#[derive(Module, Debug)]
pub struct Stack<B: Backend> {
    layers: Vec<Layer<B>>,
    final_norm: Option<Norm<B>>,
    d_model: usize,
    d_head: usize,
    n_heads: usize,
    #[module(skip)]
    positions: RelativePositions,
    window: Option<usize>,
    layer_drop: f64,
}

/// Everything a stack remembers between two steps: the past of each layer, and the encoder's output if there is one.
#[derive(Debug, Clone)]
pub struct StackState<B: Backend> {
    caches: Vec<KeyValueCache<B>>,
    memory: Option<Memory<B>>,
    /// Columns of left padding of each row.
    n_hidden: Vec<usize>,
}

impl<B: Backend> StackState<B> {
    /// How many positions have been fed, left padding included.
    pub fn n_past(&self) -> usize {
        self.caches.first().map_or(0, KeyValueCache::n_seen)
    }

    /// Columns of left padding of each row.
    pub fn n_hidden(&self) -> &[usize] {
        &self.n_hidden
    }

    /// Row `i` becomes what row `rows[i]` was; the batch becomes `rows.len()` rows.
    pub fn reorder(&mut self, rows: &[usize], device: &B::Device) {
        let ids: Vec<i64> = rows.iter().map(|&row| row as i64).collect();
        let ids = Tensor::<B, 1, Int>::from_data(ids.as_slice(), device);
        for cache in &mut self.caches {
            cache.reorder(&ids);
        }
        if let Some(memory) = &mut self.memory {
            memory.reorder(self.n_hidden.len(), rows, device);
        }
        self.n_hidden = rows.iter().map(|&row| self.n_hidden[row]).collect();
    }

    /// How many keys `seq` new positions will find.
    fn n_keys(&self, seq: usize) -> usize {
        self.caches.first().map_or(seq, |cache| cache.n_keys(seq))
    }

    /// The mask for `seq` new positions: they see the past and each other causally, and no left padding.
    fn mask(&self, seq: usize, device: &B::Device) -> Mask<B> {
        let key_seq = self.n_keys(seq);
        // Columns of the past that the caches have dropped.
        let first = (self.n_past() + seq - key_seq) as i64;
        let causal = Mask::causal(seq, key_seq, device);
        let hidden: Vec<i64> = self.n_hidden.iter().map(|&n| n as i64 - first).collect();
        if hidden.iter().all(|&n| n <= 0) {
            return causal;
        }
        let batch = hidden.len();
        let first_visible =
            Tensor::<B, 1, Int>::from_data(hidden.as_slice(), device).reshape([batch, 1]);
        let columns = Tensor::<B, 1, Int>::arange(0..key_seq as i64, device).reshape([1, key_seq]);
        let padding_mask = columns
            .expand([batch, key_seq])
            .lower(first_visible.expand([batch, key_seq]));
        causal.or(Mask::padding(Some(padding_mask)))
    }
}

impl<B: Backend> Stack<B> {
    /// Width of the vectors.
    pub fn d_model(&self) -> usize {
        self.d_model
    }

    /// How many maps of one kind a pass has.
    pub fn attention_size(&self) -> AttentionSize {
        AttentionSize {
            n_layers: self.layers.len(),
            n_heads: self.n_heads,
        }
    }

    /// All positions at once.
    ///
    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn forward(
        &self,
        x: Tensor<B, 3>,
        mask: &Mask<B>,
        memory: Option<&Memory<B>>,
    ) -> Tensor<B, 3> {
        self.whole(x, mask, memory, None)
    }

    /// Where the layers look, all positions at once.
    ///
    /// - `x`: `[batch, seq, d_model]`
    pub fn attention_maps(
        &self,
        x: Tensor<B, 3>,
        mask: &Mask<B>,
        memory: Option<&Memory<B>>,
    ) -> AttentionMaps<B> {
        let mut maps = AttentionMaps::default();
        self.whole(x, mask, memory, Some(&mut maps));
        maps
    }

    /// [`forward`](Self::forward), written down if it is wanted.
    pub(crate) fn whole(
        &self,
        x: Tensor<B, 3>,
        mask: &Mask<B>,
        memory: Option<&Memory<B>>,
        maps: Option<&mut AttentionMaps<B>>,
    ) -> Tensor<B, 3> {
        let ([_, seq, _], device) = (x.dims(), x.device());
        let mask = mask.clone().or(self.nearness(seq, seq, &device));
        let rotation = self.rotation((0, seq), &[0], &device);
        let record = Record { caches: None, maps };
        self.run(x, Sight { mask, rotation }, memory, record)
    }

    /// New positions behind the past that `state` holds.
    ///
    /// - `x`: `[batch, seq, d_model]`
    /// - returns `[batch, seq, d_model]`
    pub fn step(&self, x: Tensor<B, 3>, state: &mut StackState<B>) -> Tensor<B, 3> {
        let ([_, seq, _], device) = (x.dims(), x.device());
        let mask = state.mask(seq, &device);
        let mask = mask.or(self.nearness(seq, state.n_keys(seq), &device));
        let rotation = self.rotation((state.n_past(), seq), &state.n_hidden, &device);
        let sight = Sight { mask, rotation };
        let record = Record {
            caches: Some(&mut state.caches),
            maps: None,
        };
        self.run(x, sight, state.memory.as_ref(), record)
    }

    /// What the distance alone does to the last `query_seq` of `key_seq` positions.
    fn nearness(&self, query_seq: usize, key_seq: usize, device: &B::Device) -> Mask<B> {
        let window = match self.window {
            Some(window) => Mask::window(query_seq, key_seq, window, device),
            None => Mask::none(),
        };
        match self.positions {
            RelativePositions::Alibi => {
                window.or(Mask::alibi(self.n_heads, query_seq, key_seq, device))
            }
            RelativePositions::None | RelativePositions::Rotary(_) => window,
        }
    }

    /// The angles of the `seq` positions after `n_past`, where positions are rotary.
    fn rotation(
        &self,
        (n_past, seq): (usize, usize),
        n_hidden: &[usize],
        device: &B::Device,
    ) -> Option<Rotation<B>> {
        match self.positions {
            RelativePositions::Rotary(rotary) => {
                Some(rotary.rotation(self.d_head, (n_past, seq), n_hidden, device))
            }
            RelativePositions::None | RelativePositions::Alibi => None,
        }
    }

    /// What the layers look at in an encoder's output.
    ///
    /// - `encoded`: `[batch, source_seq, d_model]`
    /// - `padding_mask`: `[batch, source_seq]`
    pub fn memory(
        &self,
        encoded: Tensor<B, 3>,
        padding_mask: Option<Tensor<B, 2, Bool>>,
    ) -> Memory<B> {
        let layers = self.layers.iter();
        let layers = layers.filter_map(|layer| layer.cross_keys_values(encoded.clone()));
        Memory::new(layers.collect(), padding_mask)
    }

    /// The state before the first token.
    ///
    /// - `n_hidden`: columns of left padding of each row of the batch
    pub fn start(&self, n_hidden: &[usize], memory: Option<Memory<B>>) -> StackState<B> {
        StackState {
            caches: self
                .layers
                .iter()
                .map(|_| KeyValueCache::new(self.window))
                .collect(),
            memory: memory.map(Memory::settle),
            n_hidden: n_hidden.to_vec(),
        }
    }

    /// Which layers are left out; none but in training.
    fn left_out(&self, device: &B::Device) -> Vec<bool> {
        if self.layer_drop == 0.0 || !B::ad_enabled(device) {
            return Vec::new();
        }
        // Drawn as dropout is, so that one seed gives one step.
        let draws = Tensor::<B, 1>::random([self.layers.len()], Distribution::Default, device);
        let draws = draws.into_data();
        draws
            .iter::<f64>()
            .map(|draw| draw < self.layer_drop)
            .collect()
    }

    fn run(
        &self,
        mut x: Tensor<B, 3>,
        sight: Sight<B>,
        memory: Option<&Memory<B>>,
        record: Record<'_, B>,
    ) -> Tensor<B, 3> {
        let Record { caches, mut maps } = record;
        let mut caches = caches.map(|caches| caches.iter_mut());
        let is_left_out = match caches {
            Some(_) => Vec::new(),
            None => self.left_out(&x.device()),
        };
        for (i, layer) in self.layers.iter().enumerate() {
            if is_left_out.get(i).is_some_and(|&is_left_out| is_left_out) {
                continue;
            }
            let cross = memory.and_then(|memory| {
                memory.layer(i).map(|key_value| CrossInput {
                    key_value,
                    mask: memory.mask(),
                })
            });
            let cache = caches.as_mut().and_then(Iterator::next);
            let context = LayerContext {
                sight: &sight,
                cross,
                cache,
                maps: maps.as_deref_mut(),
            };
            x = layer.forward(x, context);
        }
        match &self.final_norm {
            Some(norm) => norm.forward(x),
            None => x,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::BLOCK;
    use crate::{StackSize, TestBackend, materialise};
    use burn::backend::Autodiff;
    use burn::module::AutodiffModule;
    use burn::tensor::{Tolerance, s};

    const WINDOW: usize = 5;

    /// Mistral's choices: LLaMA's, and a window.
    fn windowed() -> (StackConfig, Stack<TestBackend>) {
        let size = StackSize {
            d_model: 8,
            n_heads: 2,
            n_layers: 2,
        };
        let config = StackConfig {
            n_kv_heads: Some(1),
            window: Some(WINDOW),
            ..StackConfig::llama(size)
        };
        let stack = config.init(Initialisation::Xavier, &Default::default());
        (config, materialise(stack))
    }

    fn vectors(batch: usize, seq: usize) -> Tensor<TestBackend, 3> {
        Tensor::random([batch, seq, 8], Distribution::Default, &Default::default())
    }

    /// The most positions that any layer held while pieces of these sizes were fed.
    fn most_held(pieces: impl Iterator<Item = usize>) -> usize {
        let (config, stack) = windowed();
        let mut state = stack.start(&[0], None);
        let mut most = 0;
        for seq in pieces {
            stack.step(vectors(1, seq), &mut state);
            for cache in &state.caches {
                assert!(cache.len() <= config.n_cached(state.n_past()));
                most = most.max(cache.len());
            }
        }
        most
    }

    #[test]
    fn under_a_window_the_cache_does_not_grow_with_the_text() {
        let (config, _) = windowed();
        let most = WINDOW - 1 + BLOCK;
        assert_eq!(config.n_cached(usize::MAX), most);
        for n_steps in [2 * BLOCK, 4 * BLOCK, 6 * BLOCK] {
            assert_eq!(most_held([1].into_iter().cycle().take(n_steps)), most);
            // Long pieces are settled at once, and what is behind the window let go of.
            assert_eq!(
                most_held([70, 30].into_iter().cycle().take(n_steps / 16)),
                WINDOW - 1
            );
            assert!(most_held([7, 3].into_iter().cycle().take(n_steps)) <= most);
            let mixed = [2, 1, 1, 90, 1].into_iter().chain([1; 3 * BLOCK]);
            assert_eq!(most_held(mixed.cycle().take(n_steps)), most);
        }
    }

    #[test]
    fn layers_are_left_out_in_training_alone_and_as_often_as_is_said() {
        type Training = Autodiff<TestBackend>;
        let device = Default::default();
        let (mut config, _) = windowed();
        (config.n_layers, config.layer_drop) = (1, 0.25);
        let stack: Stack<Training> = config.init(Initialisation::Xavier, &device);
        let draws = (0..2000).map(|_| stack.left_out(&device));
        let n_left_out = draws.filter(|draw| draw == &[true]).count();
        // Four deviations of a binomial: 4 √(2000 · ¼ · ¾).
        assert!(n_left_out.abs_diff(500) < 78, "{n_left_out}");
        assert!(stack.valid().left_out(&device).is_empty());
    }

    #[test]
    fn padding_that_the_cache_has_dropped_is_padding_still() {
        let (_, stack) = windowed();
        let (n_hidden, seq) = (BLOCK + 20, BLOCK + 50);
        let x = vectors(2, seq);
        let mut state = stack.start(&[n_hidden, 0], None);
        let step = |i| stack.step(x.clone().slice(s![.., i..i + 1, ..]), &mut state);
        let found = Tensor::cat((0..seq).map(step).collect(), 1);
        for (row, n_hidden) in [n_hidden, 0].into_iter().enumerate() {
            let x = x.clone().slice(s![row, n_hidden.., ..]);
            let mask = Mask::causal(seq - n_hidden, seq - n_hidden, &x.device());
            let expected = stack.forward(x, &mask, None).into_data();
            let found = found.clone().slice(s![row, n_hidden.., ..]).into_data();
            found.assert_approx_eq::<f32>(&expected, Tolerance::absolute(1e-5));
        }
    }
}
