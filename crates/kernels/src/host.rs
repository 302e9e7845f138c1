//! Tensors as numbers in memory, and work on them by all threads.

use burn::tensor::backend::Backend;
use burn::tensor::ops::FloatTensor;
use burn::tensor::{TensorData, read_sync};
use pulp::{Arch, NullaryFnOnce};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

/// So many numbers are one thread's piece of work: a few tens of microseconds of it.
pub(crate) const PIECE: usize = 1 << 15;

/// What a tensor holds, moved out where nobody else has it.
pub(crate) fn numbers<B: Backend>(tensor: FloatTensor<B>) -> Vec<f32> {
    let data = read_sync(B::float_into_data(tensor)).expect("its memory can be read");
    data.into_vec().expect("single precision")
}

/// Numbers as a tensor beside another.
pub(crate) fn tensor<B: Backend>(
    numbers: Vec<f32>,
    shape: impl Into<Vec<usize>>,
    device: &B::Device,
) -> FloatTensor<B> {
    B::float_from_data(TensorData::new(numbers, shape.into()), device)
}

/// How many rows make a piece of work.
pub(crate) fn rows_a_piece(width: usize) -> usize {
    (PIECE / width.max(1)).max(1)
}

/// Does the pieces, on all threads where there are several of both, by the widest vectors of the processor.
pub(crate) fn work<P: NullaryFnOnce<Output = ()> + Send>(pieces: Vec<P>) {
    let arch = Arch::new();
    // A single thread is not asked: the way there and back would take longer than a piece.
    if pieces.len() < 2 || rayon::current_num_threads() == 1 {
        pieces.into_iter().for_each(|piece| arch.dispatch(piece));
    } else {
        pieces
            .into_par_iter()
            .for_each(|piece| arch.dispatch(piece));
    }
}
