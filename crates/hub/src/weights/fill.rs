//! From a file to the parameters of a module, and back.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use burn::module::{ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Tensor, TensorData, backend::Backend};
use safetensors::Dtype;
use safetensors::tensor::TensorInfo;

use super::element;
use super::read::TensorFile;
use super::write::{Entry, write};
use crate::config::Model;
use crate::error::HubError;
use crate::names::{NameTable, Placement, place};
use crate::parameters::{ModulePath, Parameter};

/// Which tensors of a checked file hold which parameters.
pub(crate) struct Plan {
    /// A tensor as the file names it, and what it holds.
    tensors: Vec<(TensorInfo, Placement)>,
    /// A parameter's path to the number of its tensor and of its part.
    parts: HashMap<String, (usize, usize)>,
}

impl Plan {
    /// Compares a file's tensors with what the parameters need, before anything is read.
    pub(crate) fn new(
        file: &TensorFile,
        table: Option<&NameTable>,
        parameters: &[Parameter],
    ) -> Result<Self, HubError> {
        let placements = place(table, parameters).map_err(|missing| HubError::Names {
            path: file.path().into(),
            missing,
            unexpected: Vec::new(),
        })?;
        // A file that leaves a prefix out leaves it out everywhere.
        let prefix = table.map_or("", |table| table.prefix);
        let is_bare = !file.tensors().keys().any(|name| name.starts_with(prefix));
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
            match file.tensors().get(&placement.outside) {
                Some(info) => plan.add(info.clone(), placement),
                None => missing.push(placement.outside),
            }
        }
        let is_unexpected = |name: &&String| {
            !expected.contains(*name) && !table.is_some_and(|table| table.ignores(name))
        };
        let unexpected: Vec<_> = file
            .tensors()
            .keys()
            .filter(is_unexpected)
            .cloned()
            .collect();
        if !missing.is_empty() || !unexpected.is_empty() {
            return Err(HubError::Names {
                path: file.path().into(),
                missing,
                unexpected,
            });
        }
        plan.check(file.path())?;
        Ok(plan)
    }

    fn add(&mut self, info: TensorInfo, placement: Placement) {
        for (number, part) in placement.parts.iter().enumerate() {
            self.parts
                .insert(part.path.clone(), (self.tensors.len(), number));
        }
        self.tensors.push((info, placement));
    }

    fn check(&self, path: &Path) -> Result<(), HubError> {
        for (info, placement) in &self.tensors {
            let (path, tensor) = (path.into(), placement.outside.clone());
            let expected = placement.shape();
            if info.shape != expected {
                return Err(HubError::Shape {
                    path,
                    tensor,
                    found: info.shape.clone(),
                    expected,
                });
            }
            if !element::is_weight(info.dtype) {
                let (found, expected) = (info.dtype.to_string(), element::WEIGHTS);
                return Err(HubError::ElementType {
                    path,
                    tensor,
                    found,
                    expected,
                });
            }
        }
        Ok(())
    }
}

/// Gives a model's parameters the values that a file holds for them.
pub(crate) fn fill<B: Backend>(
    model: Model<B>,
    plan: &Plan,
    file: &mut TensorFile,
    device: &B::Device,
) -> Result<Model<B>, HubError> {
    let mut filler = Filler::<B> {
        path: ModulePath::default(),
        plan,
        file,
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
    plan: &'a Plan,
    file: &'a mut TensorFile,
    device: &'a B::Device,
    /// The first thing that went wrong: a mapper cannot stop.
    error: Option<HubError>,
}

impl<B: Backend> ModuleMapper<B> for Filler<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        // The plan was made from the same parameters, so it has all of them.
        let Some(&(tensor, part)) = self.plan.parts.get(&self.path.join()) else {
            return param;
        };
        if self.error.is_some() {
            return param;
        }
        let (info, placement) = &self.plan.tensors[tensor];
        match self.file.read_region(info, &placement.region(part)) {
            Ok(values) => {
                let values = placement.inside(part, values);
                let data = TensorData::new(values, placement.parts[part].shape.clone());
                let id = param.id;
                // Keeps the device and whether a gradient is wanted.
                param.transform_for_load(Tensor::from_data(data, self.device), id)
            }
            Err(error) => {
                self.error = Some(error);
                param
            }
        }
    }
}

/// Writes a model's parameters in single precision. Each is fetched from its device when it is written.
pub(crate) fn save<B: Backend>(
    model: &Model<B>,
    table: Option<&NameTable>,
    path: &Path,
) -> Result<(), HubError> {
    let mut collector = Collector::default();
    model.visit(&mut collector);
    let placements = place(table, &model.parameters()).map_err(|missing| HubError::OtherModel {
        path: path.into(),
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
    write(path, placements.into_iter().map(entry).collect())
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
