//! Parameters that stay as they are.

use crate::names::{any_matches, unknown};
use crate::recipe::{Recipe, RecipeError};
use burn::module::{ModuleMapper, Param};
use burn::tensor::Tensor;
use burn::tensor::backend::AutodiffBackend;
use hearth_hub::{Model, ModulePath};

/// Wants no gradient of the parameters that a recipe freezes.
///
/// # Errors
/// If the recipe names what the model does not have, or leaves nothing to train.
pub(crate) fn freeze<B: AutodiffBackend>(
    model: Model<B>,
    recipe: &Recipe,
) -> Result<Model<B>, RecipeError> {
    let train = &recipe.train;
    // Beside adapters nothing is trained that is not asked for.
    let all = [String::from("*")];
    let freeze = match recipe.lora.is_some() && train.freeze.is_empty() {
        true => &all,
        false => train.freeze.as_slice(),
    };
    let mut freezing = Freezing {
        path: ModulePath::default(),
        freeze,
        thaw: &train.thaw,
        paths: Vec::new(),
        n_thawed: 0,
    };
    let model = model.map(&mut freezing);
    for (field, patterns) in [("train.freeze", &train.freeze), ("train.thaw", &train.thaw)] {
        if let Some(found) = unknown(patterns, &freezing.paths) {
            let found = found.clone();
            return Err(RecipeError::NoParameter { field, found });
        }
    }
    if freezing.n_thawed == 0 && recipe.lora.is_none() {
        return Err(RecipeError::Range {
            field: "train.freeze",
            found: format!("{:?}", train.freeze),
            expected: "less than all parameters: nothing is left to train",
        });
    }
    Ok(model)
}

struct Freezing<'a> {
    path: ModulePath,
    freeze: &'a [String],
    thaw: &'a [String],
    paths: Vec<String>,
    n_thawed: usize,
}

impl<B: AutodiffBackend> ModuleMapper<B> for Freezing<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let path = self.path.join();
        let is_frozen = any_matches(self.freeze, &path) && !any_matches(self.thaw, &path);
        self.paths.push(path);
        if is_frozen {
            return param.set_require_grad(false);
        }
        self.n_thawed += 1;
        param
    }
}
