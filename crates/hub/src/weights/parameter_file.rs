//! What belongs to the parameters of a model and is none: the moments of an optimiser, for instance.
//!
//! Unlike [`read_tensors`](super::read_tensors), a reader here knows what there must be: nothing is read before all names,
//! shapes and types are seen to be those.

use std::path::Path;

use safetensors::Dtype;

use super::fill::Plan;
use super::read::TensorFile;
use super::source::Source;
use super::write::{Entry, write};
use crate::error::HubError;
use crate::parameters::Parameter;

/// A tensor of single precision whose values are fetched when it is its turn to be written.
pub struct ParameterValues<'a> {
    /// Its name and its shape.
    pub parameter: Parameter,
    /// The values, row after row.
    pub fetch: Box<dyn FnOnce() -> Vec<f32> + 'a>,
}

/// Writes tensors of single precision to a safetensors file, one at a time.
///
/// # Errors
/// The file cannot be written.
pub fn write_parameters(path: &Path, all: Vec<ParameterValues<'_>>) -> Result<(), HubError> {
    write(path, all.into_iter().map(entry).collect())
}

fn entry<'a>(ParameterValues { parameter, fetch }: ParameterValues<'a>) -> Entry<'a> {
    Entry {
        name: parameter.path,
        dtype: Dtype::F32,
        shape: parameter.shape,
        bytes: Box::new(|| fetch().into_iter().flat_map(f32::to_le_bytes).collect()),
    }
}

/// A safetensors file that was found to hold certain tensors of single precision and no other.
pub struct ParameterFile {
    plan: Plan,
    source: Source,
}

impl ParameterFile {
    /// Opens a file and compares what it claims with what is expected.
    ///
    /// # Errors
    /// The file cannot be read or is damaged, lacks a tensor, has one more, or has one of another shape or type.
    pub fn open(path: &Path, expected: &[Parameter]) -> Result<Self, HubError> {
        let source = TensorFile::open(path)?.into_source();
        let plan = Plan::new(&source, None, expected)?;
        for (name, tensor) in source.tensors() {
            if tensor.type_name != Dtype::F32.to_string() {
                return Err(HubError::ElementType {
                    path: path.into(),
                    tensor: name.clone(),
                    found: tensor.type_name.clone(),
                    expected: "F32",
                });
            }
        }
        Ok(Self { plan, source })
    }

    /// The values of a tensor, row after row; none of one that was not expected.
    ///
    /// # Errors
    /// The file cannot be read, or one of the values is NaN.
    pub fn read(&mut self, name: &str) -> Option<Result<Vec<f32>, HubError>> {
        self.plan.read(name, &mut self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(path: &str, shape: &[usize]) -> Parameter {
        Parameter {
            path: path.into(),
            shape: shape.to_vec(),
        }
    }

    fn written(all: &[(&str, &[usize], &[f32])]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("state.safetensors");
        let values = |&(name, shape, values): &(&str, &[usize], &[f32])| ParameterValues {
            parameter: parameter(name, shape),
            fetch: {
                let values = values.to_vec();
                Box::new(move || values)
            },
        };
        write_parameters(&path, all.iter().map(values).collect()).expect("written");
        (folder, path)
    }

    #[test]
    fn what_is_written_is_read_bit_by_bit() {
        let odd = [1e-45, -0.0, f32::INFINITY, 0.1, f32::MIN, 3.0];
        let (_folder, path) = written(&[("b.moment", &[2, 3], &odd), ("a.moment", &[1], &[7.0])]);
        let expected = [parameter("a.moment", &[1]), parameter("b.moment", &[2, 3])];
        let mut file = ParameterFile::open(&path, &expected).expect("in order");
        let read = file.read("b.moment").expect("expected").expect("in order");
        assert!(read.iter().map(|x| x.to_bits()).eq(odd.map(f32::to_bits)));
        assert!(file.read("c").is_none());
    }

    #[test]
    fn what_is_not_expected_is_refused_before_anything_is_read() {
        let (_folder, path) = written(&[("a", &[2], &[1.0, 2.0])]);
        let refused = |expected: &[Parameter]| match ParameterFile::open(&path, expected) {
            Ok(_) => panic!("{expected:?} is not there"),
            Err(error) => error.to_string(),
        };
        let two = [parameter("a", &[2]), parameter("b", &[2])];
        assert!(refused(&two).contains("1 missing: \"b\""));
        assert!(refused(&[]).contains("1 unexpected: \"a\""));
        assert!(refused(&[parameter("a", &[1, 2])]).contains("shape [2], expected [1, 2]"));
        let half = burn::tensor::TensorData::new(vec![burn::tensor::f16::ONE; 2], [2]);
        super::super::write_tensors(&path, [("a".to_owned(), half)]).expect("written");
        assert!(refused(&[parameter("a", &[2])]).contains("type F16, expected F32"));
    }
}
