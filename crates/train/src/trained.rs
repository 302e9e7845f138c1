//! What is trained: a model, some of whose parameters may stay as they are, perhaps with adapters of low rank.

use crate::error::TrainError;
use crate::names::{any_matches, unknown};
use crate::objective::Trainable;
use crate::recipe::{LoraRecipe, Recipe, RecipeError};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Distribution, Tensor};
use hearth_batch::{Stream, derive_seed};
use hearth_hub::ModulePath;
use std::collections::HashMap;

/// A model and its adapters. Without adapters it is the model.
#[derive(Module, Debug)]
pub(crate) struct Trained<B: Backend, M: Module<B>> {
    pub(crate) model: M,
    pub(crate) adapters: Vec<Adapter<B>>,
}

/// What is added to a matrix: `scale · down · up`, of a rank far below that of the matrix, and nothing at first. Hu et al. 2021
/// <https://arxiv.org/abs/2106.09685>.
#[derive(Module, Debug)]
pub(crate) struct Adapter<B: Backend> {
    /// `[d_input, rank]`
    pub(crate) down: Param<Tensor<B, 2>>,
    /// `[rank, d_output]`
    pub(crate) up: Param<Tensor<B, 2>>,
    scale: f64,
    /// Of the matrix.
    #[module(skip)]
    pub(crate) path: String,
}

impl<B: AutodiffBackend, M: Trainable<B>> Trained<B, M> {
    /// A model with the adapters that its recipe asks for. What they adapt stays as it is.
    ///
    /// # Errors
    /// If the recipe names what the model does not have.
    pub(crate) fn new(model: M, recipe: &Recipe, device: &B::Device) -> Result<Self, TrainError> {
        let Some(lora) = &recipe.lora else {
            let adapters = Vec::new();
            return Ok(Self { model, adapters });
        };
        // Behind the weights of the model, whose draw has number 0.
        B::seed(device, derive_seed(recipe.train.seed, Stream::Weights, 1));
        let mut adapting = Adapting {
            path: ModulePath::default(),
            lora,
            paths: Vec::new(),
            adapters: Vec::new(),
        };
        let model = model.map(&mut adapting);
        let Adapting {
            paths, adapters, ..
        } = adapting;
        if let Some(found) = unknown(&lora.targets, &paths) {
            return Err(RecipeError::NoParameter {
                field: "lora.targets",
                found: found.clone(),
            }
            .into());
        }
        Ok(Self { model, adapters })
    }

    /// The model with what its adapters add.
    pub(crate) fn adapted(&self) -> M {
        if self.adapters.is_empty() {
            return self.model.clone();
        }
        let by_path = |adapter: &Adapter<B>| (adapter.path.clone(), adapter.product());
        self.model.clone().map(&mut Adding {
            path: ModulePath::default(),
            products: self.adapters.iter().map(by_path).collect(),
        })
    }
}

impl<B: Backend> Adapter<B> {
    /// `[d_input, d_output]`
    fn product(&self) -> Tensor<B, 2> {
        self.down.val().matmul(self.up.val()).mul_scalar(self.scale)
    }
}

/// Makes an adapter for each matrix that is asked for, which it freezes.
struct Adapting<'a, B: Backend> {
    path: ModulePath,
    lora: &'a LoraRecipe,
    /// Of all matrices.
    paths: Vec<String>,
    adapters: Vec<Adapter<B>>,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Adapting<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let &[d_input, d_output] = param.lazy_shape().as_slice() else {
            return param;
        };
        let (path, rank) = (self.path.join(), self.lora.rank);
        self.paths.push(path.clone());
        if !any_matches(&self.lora.targets, &path) {
            return param;
        }
        let device = param.lazy_device();
        let std = (d_input as f64).powf(-0.5);
        let down = Tensor::random([d_input, rank], Distribution::Normal(0.0, std), &device);
        let up = Tensor::zeros([rank, d_output], &device);
        self.adapters.push(Adapter {
            down: Param::from_tensor(down),
            up: Param::from_tensor(up),
            scale: self.lora.alpha / rank as f64,
            path,
        });
        param.set_require_grad(false)
    }
}

struct Adding<B: Backend> {
    path: ModulePath,
    products: HashMap<String, Tensor<B, 2>>,
}

impl<B: Backend> ModuleMapper<B> for Adding<B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(product) = self.products.remove(&self.path.join()) else {
            return param;
        };
        let (id, weight, mapper) = param.consume();
        let shape = weight.shape();
        Param::from_mapped_value(id, weight + product.reshape(shape), mapper)
    }
}
