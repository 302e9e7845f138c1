//! The optimiser's state in a file, and back.

use super::{ParameterOptimizer, Slots, average};
use crate::parts::Parts;
use burn::module::{AutodiffModule, ModuleVisitor, Param};
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use hearth_batch::Share;
use hearth_hub::{
    HubError, ModulePath, Parameter, ParameterFile, ParameterValues, parameters, write_parameters,
};
use std::path::Path;

impl<M: AutodiffModule<B>, B: AutodiffBackend> ParameterOptimizer<M, B> {
    /// Updates made so far.
    pub(crate) fn n_updates(&self) -> u64 {
        self.n_updates
    }

    /// How many tensors there are for each parameter.
    pub(crate) fn n_slots(&self) -> usize {
        self.names().len()
    }

    /// What is remembered of each parameter.
    fn names(&self) -> Vec<&'static str> {
        let average = (self.ema > 0.0).then_some(average::SLOT);
        self.rule.slots().iter().copied().chain(average).collect()
    }

    /// Writes what is remembered of each parameter, as `PARAMETER.SLOT` in single precision. A parameter that never had a
    /// gradient has zeros, as it would begin with.
    pub(crate) fn write(&self, model: &M, path: &Path) -> Result<(), HubError> {
        let mut writer = Writer::<B> {
            path: ModulePath::default(),
            names: self.names(),
            slots: &self.slots,
            found: Vec::new(),
        };
        model.visit(&mut writer);
        write_parameters(path, writer.found)
    }

    /// Puts a state back that was [`write`](Self::write)n for a model of the same parameters: that of the parameters of a share.
    pub(crate) fn read(
        &mut self,
        model: &M,
        share: Share,
        n_updates: u64,
        path: &Path,
    ) -> Result<(), HubError> {
        let names = self.names();
        let names = &names;
        let expected: Vec<Parameter> = parameters::<B, M>(model)
            .into_iter()
            .flat_map(|Parameter { path, shape }| {
                names.iter().map(move |name| Parameter {
                    path: format!("{path}.{name}"),
                    shape: shape.clone(),
                })
            })
            .collect();
        let mut reader = Reader::<B> {
            path: ModulePath::default(),
            parts: Parts::of::<B, M>(model, share),
            names: names.clone(),
            file: ParameterFile::open(path, &expected)?,
            slots: Slots::new(),
            error: None,
        };
        model.visit(&mut reader);
        if let Some(error) = reader.error {
            return Err(error);
        }
        self.slots = reader.slots;
        self.n_updates = n_updates;
        Ok(())
    }
}

struct Writer<'a, B: AutodiffBackend> {
    path: ModulePath,
    names: Vec<&'static str>,
    slots: &'a Slots<B::InnerBackend>,
    found: Vec<ParameterValues<'a>>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Writer<'_, B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let shape = param.lazy_shape().to_vec();
        let slots = self.slots.get(&param.id);
        for (number, name) in self.names.iter().enumerate() {
            let tensor = slots.and_then(|slots| slots.get(number));
            let n_numbers = shape.iter().product();
            self.found.push(ParameterValues {
                parameter: Parameter {
                    path: format!("{}.{name}", self.path.join()),
                    shape: shape.clone(),
                },
                fetch: Box::new(move || match tensor {
                    Some(tensor) => {
                        values(Tensor::<B::InnerBackend, D>::from_primitive(tensor.clone()))
                    }
                    None => vec![0.0; n_numbers],
                }),
            });
        }
    }
}

fn values<B: Backend, const D: usize>(tensor: Tensor<B, D>) -> Vec<f32> {
    let data = tensor.into_data();
    data.to_vec::<f32>()
        .unwrap_or_else(|_| data.iter::<f32>().collect())
}

struct Reader<B: AutodiffBackend> {
    path: ModulePath,
    parts: Parts,
    names: Vec<&'static str>,
    file: ParameterFile,
    slots: Slots<B::InnerBackend>,
    /// The first thing that went wrong: a visitor cannot stop.
    error: Option<HubError>,
}

impl<B: AutodiffBackend> ModuleVisitor<B> for Reader<B> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.enter(name);
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.exit();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        if self.error.is_some() || !self.parts.is_own(param.id) {
            return;
        }
        let (shape, device) = (param.lazy_shape(), param.lazy_device());
        let path = self.path.join();
        let mut read = |name: &&str| {
            // What is asked for is what was expected.
            let values = self
                .file
                .read(&format!("{path}.{name}"))
                .unwrap_or(Ok(Vec::new()))?;
            let data = TensorData::new(values, shape.clone());
            Ok(Tensor::<B::InnerBackend, D>::from_data(data, &device).into_primitive())
        };
        match self.names.iter().map(&mut read).collect() {
            Ok(slots) => {
                self.slots.insert(param.id, slots);
            }
            Err(error) => self.error = Some(error),
        }
    }
}
