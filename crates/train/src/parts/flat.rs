//! Tensors of the parameters that a model trains as one list, for processes that exchange theirs.

use crate::group::Numbers;
use burn::tensor::backend::Backend;
use burn::tensor::{AllocationProperty, Shape, Tensor, TensorData};

/// A tensor a parameter, in the order of a module's fields, in the memory of the processor: where that is the backend's own, what
/// nobody else holds is not copied.
#[derive(Debug, Default)]
pub(crate) struct Flat {
    /// In single precision, each with the owner of its parameter.
    tensors: Vec<(usize, TensorData)>,
}

impl Flat {
    /// - `tensor`: zeros where there is none
    pub(crate) fn push<B: Backend, const D: usize>(
        &mut self,
        owner: usize,
        tensor: Option<Tensor<B, D>>,
        shape: Shape,
    ) {
        let data = match tensor.map(|tensor| tensor.into_data().convert::<f32>()) {
            // A device's memory may not be written to.
            Some(data) => match data.bytes.property() {
                AllocationProperty::Native => data,
                _ => TensorData::new(data.iter::<f32>().collect::<Vec<_>>(), data.shape),
            },
            None => TensorData::new(vec![0f32; shape.num_elements()], shape),
        };
        self.tensors.push((owner, data));
    }

    pub(crate) fn numbers(&mut self) -> Numbers<'_> {
        Numbers::of(self.tensors.iter_mut().map(|(owner, data)| {
            let list = data.as_mut_slice().expect("single precision");
            (*owner, list)
        }))
    }

    /// The same tensors, one after the other.
    pub(crate) fn into_tensors(self) -> impl Iterator<Item = TensorData> {
        self.tensors.into_iter().map(|(_, data)| data)
    }
}
