//! Tensors as numbers in memory: read where they lie, or moved out to be changed.

use super::product;
use burn::tensor::backend::Backend;
use burn::tensor::ops::{FloatTensor, FloatTensorOps};
use burn::tensor::{Device, Shape, TensorData, TensorMetadata, read_sync};
use faer::MatRef;

/// How a backend's tensors are read where they lie. Where that is, its crate alone knows, which this one does without: [`read_flex!`] and
/// [`read_ndarray!`] say it for a type of the program's own.
///
/// [`read_flex!`]: crate::read_flex
/// [`read_ndarray!`]: crate::read_ndarray
pub trait Reader: Send + 'static {
    /// The backend, without gradients.
    type Backend: Backend;

    /// The numbers of a tensor, if they are in single precision and lie in its order, one behind the other: so do those of any that
    /// was made of data.
    fn numbers(tensor: &FloatTensor<Self::Backend>) -> Option<&[f32]>;
}

/// A tensor that is read: others may have it too.
pub(super) struct Seen<R: Reader>(FloatTensor<R::Backend>);

impl<R: Reader> Seen<R> {
    /// A view that lies otherwise is laid out first.
    pub(super) fn of(tensor: FloatTensor<R::Backend>) -> Self {
        if R::numbers(&tensor).is_some() {
            return Self(tensor);
        }
        let (shape, device) = (tensor.shape(), R::Backend::float_device(&tensor));
        // As a row, which backends lay out in one go.
        let row = R::Backend::float_reshape(tensor, [shape.num_elements()].into());
        let data = TensorData {
            shape,
            ..moved::<R>(row)
        };
        Self(R::Backend::float_from_data(data, &device))
    }

    pub(super) fn numbers(&self) -> &[f32] {
        R::numbers(&self.0).expect(SINGLE_PRECISION)
    }

    /// As the rows of a matrix.
    pub(super) fn matrix(&self) -> MatRef<'_, f32> {
        let width = self.width();
        let numbers = self.numbers();
        product::matrix(numbers, [numbers.len() / width, width])
    }

    /// At least one, so that it can be divided by.
    pub(super) fn width(&self) -> usize {
        width(&self.0.shape())
    }

    /// Of each matrix of the last two axes.
    pub(super) fn n_rows(&self) -> usize {
        self.0.shape().iter().rev().nth(1).map_or(1, |&n| n)
    }

    pub(super) fn tensor(self) -> FloatTensor<R::Backend> {
        self.0
    }

    /// Other numbers of the same shape.
    pub(super) fn beside(&self, numbers: Vec<f32>) -> FloatTensor<R::Backend> {
        self.of_shape(numbers, self.0.shape())
    }

    /// Other numbers of the same shape but for the last axis.
    pub(super) fn of_width(&self, numbers: Vec<f32>, width: usize) -> FloatTensor<R::Backend> {
        let mut shape = self.0.shape();
        if let Some(last) = shape.last_mut() {
            *last = width;
        }
        self.of_shape(numbers, shape)
    }

    /// Other numbers, along one axis.
    pub(super) fn row(&self, numbers: Vec<f32>) -> FloatTensor<R::Backend> {
        let shape = [numbers.len()];
        self.of_shape(numbers, shape)
    }

    /// Other numbers on the same device.
    pub(super) fn of_shape(
        &self,
        numbers: Vec<f32>,
        shape: impl Into<Shape>,
    ) -> FloatTensor<R::Backend> {
        let device = R::Backend::float_device(&self.0);
        R::Backend::float_from_data(TensorData::new(numbers, shape), &device)
    }
}

/// A tensor that is changed in its place where nobody else has it, and copied where somebody has.
pub(super) struct Changed<R: Reader> {
    data: TensorData,
    device: Device<R::Backend>,
}

impl<R: Reader> Changed<R> {
    pub(super) fn of(tensor: FloatTensor<R::Backend>) -> Self {
        let device = R::Backend::float_device(&tensor);
        let data = moved::<R>(tensor);
        Self { data, device }
    }

    pub(super) fn numbers(&mut self) -> &mut [f32] {
        self.data.as_mut_slice().expect(SINGLE_PRECISION)
    }

    pub(super) fn width(&self) -> usize {
        width(&self.data.shape)
    }

    pub(super) fn tensor(self) -> FloatTensor<R::Backend> {
        R::Backend::float_from_data(self.data, &self.device)
    }

    /// Other numbers of the same shape.
    pub(super) fn beside(&self, numbers: Vec<f32>) -> FloatTensor<R::Backend> {
        let data = TensorData::new(numbers, self.data.shape.clone());
        R::Backend::float_from_data(data, &self.device)
    }
}

/// What a tensor holds, moved out where nobody else has it.
fn moved<R: Reader>(tensor: FloatTensor<R::Backend>) -> TensorData {
    read_sync(R::Backend::float_into_data(tensor)).expect("its memory can be read")
}

/// Of the last axis.
fn width(shape: &Shape) -> usize {
    shape.last().map_or(1, |&width| width.max(1))
}

/// Of other tensors nobody asks for a kernel.
const SINGLE_PRECISION: &str = "single precision";
