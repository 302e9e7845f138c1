//! From files to the parameters of a module, and back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use safetensors::Dtype;

use super::source::{Source, StoredTensor};
use super::write::{Entry, write_shards};
use crate::config::Model;
use crate::error::HubError;
use crate::names::{NameTable, Placement, place};
use crate::parameters::{ModulePath, Parameter};

/// What weights may be, for messages.
const WEIGHTS: &str = "F32, F16 or BF16, or in GGUF Q8_0, Q4_0 or Q4_1";

/// Which tensors of a checked source hold which parameters.
pub(crate) struct Plan {
    /// A tensor of the source, and what it holds.
    tensors: Vec<(StoredTensor, Placement)>,
    /// A parameter's path to the number of its tensor and of its part.
    parts: HashMap<String, (usize, usize)>,
}

impl Plan {
    /// Compares a source's tensors with what the parameters need, before anything is read.
    pub(crate) fn new(
        source: &Source,
        table: Option<&NameTable>,
        parameters: &[Parameter],
    ) -> Result<Self, HubError> {
        let placements = place(table, parameters).map_err(|missing| HubError::Names {
            path: source.path().into(),
            missing,
            unexpected: Vec::new(),
        })?;
        // A file that leaves a prefix out leaves it out everywhere.
        let prefix = table.map_or("", |table| table.prefix);
        let is_bare = !source.tensors().keys().any(|name| name.starts_with(prefix));
        let mut plan = Self {
            tensors: Vec::new(),
            parts: HashMap::new(),
        };
        let (mut missing, mut expected) = (Vec::new(), HashSet::new());
        for mut placement in placements {
            if is_bare && let Some(bare) = placement.outside.strip_prefix(prefix) {
                placement.outside = bare.into();
            }
            expected.insert(placement.outside.clone());
            match source.tensors().get(&placement.outside) {
                Some(tensor) => plan.add(tensor.clone(), placement),
                None => missing.push(placement.outside),
            }
        }
        let is_unexpected = |name: &&String| {
            !expected.contains(*name) && !table.is_some_and(|table| table.ignores(name))
        };
        let unexpected: Vec<_> = source
            .tensors()
            .keys()
            .filter(is_unexpected)
            .cloned()
            .collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(HubError::Names {
                path: source.path().into(),
                missing,
                unexpected,
            });
        }
        plan.check(source.path())?;
        Ok(plan)
    }

    fn add(&mut self, tensor: StoredTensor, placement: Placement) {
        for (number, part) in placement.parts.iter().enumerate() {
            self.parts
                .insert(part.path.clone(), (self.tensors.len(), number));
        }
        self.tensors.push((tensor, placement));
    }

    fn check(&self, path: &Path) -> Result<(), HubError> {
        for (stored, placement) in &self.tensors {
            let (path, tensor) = (path.into(), placement.outside.clone());
            let expected = placement.shape();
            if stored.shape != expected {
                return Err(HubError::Shape {
                    path,
                    tensor,
                    found: stored.shape.clone(),
                    expected,
                });
            }
            if stored.encoding.is_none() {
                return Err(HubError::ElementType {
                    path,
                    tensor,
                    found: stored.type_name.clone(),
                    expected: WEIGHTS,
                });
            }
        }
        Ok(())
    }

    /// The values of a parameter; none for one that the plan was not made for.
    pub(super) fn read(
        &self,
        path: &str,
        source: &mut Source,
    ) -> Option<Result<Vec<f32>, HubError>> {
        let &(tensor, part) = self.parts.get(path)?;
        let (stored, placement) = &self.tensors[tensor];
        Some(source.read(&placement.outside, stored, &placement.region(part)))
    }
}

/// Gives a model's parameters the values that a source holds for them, or, of several sources, the mean of the values,
/// summed up in double precision.
///
/// What is held beside the model is one parameter; of several sources, its sum besides.
pub(crate) fn fill<B: Backend>(
    model: Model<B>,
    sources: &mut [(Plan, Source)],
    device: &B::Device,
) -> Result<Model<B>, HubError> {
    let mut filler = Filler::<B> {
        path: ModulePath::default(),
        sources,
        device,
        error: None,
    };
    let model = model.map(&mut filler);
    match filler.error {
        None => Ok(model),
        Some(error) => Err(error),
    }
}

struct Filler<'a, B: Backend> {
    path: ModulePath,
    sources: &'a mut [(Plan, Source)],
    device: &'a B::Device,
    /// The first thing that went wrong: a mapper cannot stop.
    error: Option<HubError>,
}

impl<B: Backend> Filler<'_, B> {
    fn values(&mut self) -> Option<Result<Vec<f32>, HubError>> {
        let path = self.path.join();
        let (first, others) = self.sources.split_first_mut()?;
        let values = first.0.read(&path, &mut first.1)?;
        if others.is_empty() {
            return Some(values);
        }
        Some(values.and_then(|values| mean(&path, values, others)))
    }
}

/// The mean of the values at hand and those of other sources.
fn mean(path: &str, first: Vec<f32>, others: &mut [(Plan, Source)]) -> Result<Vec<f32>, HubError> {
    let n_sources = 1.0 + others.len() as f64;
    let mut sums: Vec<f64> = first.into_iter().map(f64::from).collect();
    for (plan, source) in others {
        // Plans for one config know the same parameters.
        let values = plan.read(path, source).unwrap_or_else(|| Ok(Vec::new()))?;
        for (sum, value) in sums.iter_mut().zip(values) {
            *sum += f64::from(value);
        }
    }
    Ok(sums
        .into_iter()
        .map(|sum| (sum / n_sources) as f32)
        .collect())
}

impl<B: Backend> ModuleMapper<B> for Filler<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        if self.error.is_some() {
            return param;
        }
        match self.values() {
            Some(Ok(values)) => {
                let data = TensorData::new(values, param.lazy_shape());
                let id = param.id;
                // Keeps the device and whether a gradient is wanted.
                param.transform_for_load(Tensor::from_data(data, self.device), id)
            }
            Some(Err(error)) => {
                self.error = Some(error);
                param
            }
            // The plans were made from the same parameters, so they have all of them.
            None => param,
        }
    }
}

/// Writes a model's parameters in single precision, in files of at most so many bytes. Each is fetched from its device
/// when it is written.
pub(crate) fn save<B: Backend>(
    model: &Model<B>,
    table: Option<&NameTable>,
    dir: &Path,
    most_bytes: u64,
) -> Result<(), HubError> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    let placements = place(table, &model.parameters()).map_err(|missing| HubError::OtherModel {
        path: dir.into(),
        missing: Vec::new(),
        unexpected: missing,
    })?;
    let entry = |placement: Placement| Entry {
        name: placement.outside.clone(),
        dtype: Dtype::F32,
        shape: placement.shape(),
        bytes: Box::new({
            let found = &collector.found;
            move || {
                let parts = placement
                    .parts
                    .iter()
                    .filter_map(|part| found.get(&part.path));
                let values = placement.outside(parts.map(|fetch| fetch()).collect());
                values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect()
            }
        }),
    };
    let entries = placements.into_iter().map(entry).collect();
    write_shards(dir, entries, most_bytes)
}

/// The values of parameters by path, to be fetched from their device one at a time.
#[derive(Default)]
struct Collector {
    path: ModulePath,
    found: BTreeMap<String, Box<dyn Fn() -> Vec<f32>>>,
}

impl<B: Backend> ModuleVisitor<B> for Collector {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val();
        let fetch = move || {
            let data = tensor.to_data();
            data.to_vec::<f32>()
                .unwrap_or_else(|_| data.iter::<f32>().collect())
        };
        self.found.insert(self.path.join(), Box::new(fetch));
    }
}
