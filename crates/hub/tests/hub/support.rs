//! Fixtures, damaged copies of them, and small comparisons.

use std::collections::BTreeMap;
use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use burn::module::{ModuleVisitor, Param};
use burn::tensor::{Bool, Int, Tensor, TensorData, backend::Backend};
use burn_flex::Flex;
use hearth_hub::{HubError, Model, ModelDirectory, read_tensors};
use serde_json::Value;
use tempfile::TempDir;

pub(crate) const FIXTURES: [&str; 11] = [
    "gpt2",
    "llama",
    "mistral",
    "marian",
    "torch-transformer",
    "torch-lstm-lm",
    "torch-gru-lm",
    "speech-to-text",
    "bert-mlm",
    "bert-classify",
    "vit",
];

pub(crate) fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}

/// Inputs and outputs as the other library computed them.
pub(crate) struct Reference(BTreeMap<String, TensorData>);

impl Reference {
    pub(crate) fn of(name: &str) -> Self {
        let path = fixture(name).join("reference.safetensors");
        Self(read_tensors(&path).expect("the fixture can be read"))
    }

    pub(crate) fn ids<B: Backend>(&self, name: &str) -> Tensor<B, 2, Int> {
        Tensor::from_data(self.0[name].clone(), &B::Device::default())
    }

    pub(crate) fn floats<B: Backend, const D: usize>(&self, name: &str) -> Tensor<B, D> {
        Tensor::from_data(self.0[name].clone(), &B::Device::default())
    }

    /// `true` where Hugging Face's mask is 0.
    pub(crate) fn padding_mask<B: Backend>(&self, name: &str) -> Tensor<B, 2, Bool> {
        self.ids(name).equal_elem(0)
    }
}

pub(crate) fn max_difference<B: Backend, const D: usize>(
    found: Tensor<B, D>,
    expected: Tensor<B, D>,
) -> f32 {
    assert_eq!(found.dims(), expected.dims());
    let largest: TensorData = (found - expected).abs().max().into_data();
    largest.iter::<f32>().next().expect("one number")
}

/// The bits of every parameter, by path.
pub(crate) fn bits<B: Backend>(model: &Model<B>) -> BTreeMap<String, Vec<u32>> {
    let mut bits = Bits::default();
    model.visit(&mut bits);
    bits.found
}

#[derive(Default)]
struct Bits {
    path: Vec<String>,
    found: BTreeMap<String, Vec<u32>>,
}

impl<B: Backend> ModuleVisitor<B> for Bits {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.into());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let data = param.val().into_data();
        let values = data.iter::<f32>().map(f32::to_bits).collect();
        self.found.insert(self.path.join("."), values);
    }
}

/// A copy of a fixture's model, to be damaged.
pub(crate) struct Copy {
    _folder: TempDir,
    pub(crate) dir: PathBuf,
}

impl Copy {
    pub(crate) fn of(name: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let dir = folder.path().join(name);
        fs::create_dir(&dir).expect("a directory");
        for file in ["config.json", "model.safetensors"] {
            let content = fs::read(fixture(name).join(file)).expect("the fixture can be read");
            fs::write(dir.join(file), content).expect("the copy can be written");
        }
        Self {
            _folder: folder,
            dir,
        }
    }

    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    pub(crate) fn write(&self, file: &str, content: impl AsRef<[u8]>) {
        fs::write(self.path(file), content).expect("the copy can be written");
    }

    pub(crate) fn weights(&self) -> Vec<u8> {
        fs::read(self.path("model.safetensors")).expect("the copy can be read")
    }

    /// Changes one field of the config; null removes it.
    pub(crate) fn set(&self, field: &str, value: Value) {
        let text = fs::read_to_string(self.path("config.json")).expect("the copy can be read");
        let mut config: Value = serde_json::from_str(&text).expect("JSON");
        if value.is_null() {
            config
                .as_object_mut()
                .expect("an object")
                .shift_remove(field);
        } else {
            config[field] = value;
        }
        self.write("config.json", config.to_string());
    }

    /// Changes the tensors.
    pub(crate) fn with_tensors(&self, change: impl FnOnce(&mut BTreeMap<String, TensorData>)) {
        let path = self.path("model.safetensors");
        let mut tensors = read_tensors(&path).expect("the copy can be read");
        change(&mut tensors);
        hearth_hub::write_tensors(&path, tensors).expect("the copy can be written");
    }
}

/// An error with all its sources, as a person reads it.
pub(crate) fn whole(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(&format!(": {error}"));
        source = error.source();
    }
    text
}

/// What is wrong with a directory; none takes long to tell.
pub(crate) fn error(copy: &Copy) -> HubError {
    let start = Instant::now();
    let loaded = ModelDirectory::<Flex>::load(&copy.dir, &Default::default());
    assert!(start.elapsed() < Duration::from_secs(5));
    loaded.map(|_| ()).expect_err("the directory is bad")
}

/// The error names the file and every part of what is expected.
pub(crate) fn check(copy: &Copy, file: &str, expected: &[&str]) {
    let error = error(copy);
    let text = whole(&error);
    assert!(
        text.contains(&copy.path(file).display().to_string()),
        "{text}"
    );
    for expected in expected {
        assert!(text.contains(expected), "{expected} is not in: {text}");
    }
    assert!(!error.is_io(), "{text}");
}
