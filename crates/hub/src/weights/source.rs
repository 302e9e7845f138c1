//! The weights of a model as their file or files hold them, whatever the format.
//!
//! A format says where each tensor lies and how it is written ([`StoredTensor`]); what it says has been checked against
//! the length of the file before. Here tensors are read: by seeking, a part at a time, turned on the way.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::encoding::Encoding;
use crate::error::HubError;
use crate::names::Region;

/// How many bytes are decoded at a time.
const CHUNK: usize = 64 << 10;

/// How many numbers of a matrix are held beside it while it is turned.
const STRIP: usize = 256 << 10;

/// A tensor in a file that is long enough to hold it.
#[derive(Debug, Clone)]
pub(crate) struct StoredTensor {
    /// Outermost axis first.
    pub shape: Vec<usize>,
    /// None where these are no weights.
    pub encoding: Option<Encoding>,
    /// What the file calls its type.
    pub type_name: String,
    /// Which file of the source.
    pub file: usize,
    /// Bytes of the file before it.
    pub start: u64,
    /// Which of its rows is which.
    pub rows: RowOrder,
}

/// The order of a tensor's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowOrder {
    /// As the shape says.
    Plain,
    /// Within each of so many heads, the rows of the first and of the second half take turns.
    Interleaved { n_heads: usize },
}

impl RowOrder {
    /// Where a row lies among `n_rows`, a multiple of twice the number of heads.
    fn stored(self, row: usize, n_rows: usize) -> usize {
        match self {
            Self::Plain => row,
            Self::Interleaved { n_heads } => {
                let half = n_rows / n_heads / 2;
                let (head, inside) = (row / (2 * half), row % (2 * half));
                let (part, pair) = (inside / half, inside % half);
                head * 2 * half + 2 * pair + part
            }
        }
    }
}

/// Named tensors in one file or several.
pub(crate) struct Source {
    /// What stands for all of it in messages.
    path: PathBuf,
    files: Vec<PathBuf>,
    tensors: BTreeMap<String, StoredTensor>,
    /// One file is open at a time: a model may have more shards than a process may have files.
    open: Option<(usize, File)>,
    chunk: Vec<u8>,
}

impl Source {
    pub(crate) fn new(
        path: &Path,
        files: Vec<PathBuf>,
        tensors: BTreeMap<String, StoredTensor>,
    ) -> Self {
        Self {
            path: path.into(),
            files,
            tensors,
            open: None,
            chunk: Vec::new(),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// All tensors, by name.
    pub(crate) fn tensors(&self) -> &BTreeMap<String, StoredTensor> {
        &self.tensors
    }

    /// How many numbers there are.
    pub(crate) fn n_numbers(&self) -> u64 {
        let count = |tensor: &StoredTensor| tensor.shape.iter().product::<usize>() as u64;
        self.tensors
            .values()
            .map(count)
            .fold(0, u64::saturating_add)
    }

    /// A part of a tensor of weights, in single precision, turned if its region says so.
    ///
    /// # Errors
    /// The file cannot be read, or a number is NaN: no weight is, and nothing can be computed with one. Infinities are
    /// kept; a bias of minus infinity forbids a token.
    pub(crate) fn read(
        &mut self,
        name: &str,
        tensor: &StoredTensor,
        region: &Region,
    ) -> Result<Vec<f32>, HubError> {
        let read = if region.turned {
            self.read_turned(tensor, region)
        } else {
            let mut values = Vec::with_capacity(region.rows.len() * region.columns.len());
            self.read_rows(tensor, region, &mut values).map(|()| values)
        };
        let path = || self.files[tensor.file].clone();
        let values = read.map_err(|source| HubError::reading(&path(), source))?;
        // Without a way out of the loop, so that the compiler compares many at a time.
        if values
            .iter()
            .fold(false, |found, value| found | value.is_nan())
        {
            return Err(HubError::NotANumber {
                path: path(),
                tensor: name.into(),
            });
        }
        Ok(values)
    }

    /// A region, its columns in the place of its rows. Of a large one, never more than a strip is held twice.
    fn read_turned(&mut self, tensor: &StoredTensor, region: &Region) -> io::Result<Vec<f32>> {
        let (n_rows, n_columns) = (region.rows.len(), region.columns.len());
        let mut turned = vec![0.0; n_rows * n_columns];
        let n_strip = (STRIP / n_columns.max(1)).max(1);
        let mut strip = Vec::with_capacity(n_strip.min(n_rows) * n_columns);
        for first in (0..n_rows).step_by(n_strip) {
            let rows = first..n_rows.min(first + n_strip);
            let part = Region {
                rows: region.rows.start + rows.start..region.rows.start + rows.end,
                ..region.clone()
            };
            strip.clear();
            self.read_rows(tensor, &part, &mut strip)?;
            for (column, out) in turned.chunks_exact_mut(n_rows.max(1)).enumerate() {
                let values = strip.iter().skip(column).step_by(n_columns);
                for (out, &value) in out[rows.clone()].iter_mut().zip(values) {
                    *out = value;
                }
            }
        }
        Ok(turned)
    }

    /// A region, row by row.
    fn read_rows(
        &mut self,
        tensor: &StoredTensor,
        region: &Region,
        values: &mut Vec<f32>,
    ) -> io::Result<()> {
        let (rows, columns, n_columns) = (
            region.rows.clone(),
            region.columns.clone(),
            region.n_columns,
        );
        if columns.len() == n_columns && tensor.rows == RowOrder::Plain {
            return self.read_run(
                tensor,
                rows.start * n_columns,
                rows.len() * n_columns,
                values,
            );
        }
        let n_rows = tensor.shape.iter().product::<usize>() / n_columns.max(1);
        for row in rows {
            let row = tensor.rows.stored(row, n_rows);
            self.read_run(
                tensor,
                row * n_columns + columns.start,
                columns.len(),
                values,
            )?;
        }
        Ok(())
    }

    /// `n` numbers behind the first `skip` of a tensor.
    fn read_run(
        &mut self,
        tensor: &StoredTensor,
        skip: usize,
        n: usize,
        values: &mut Vec<f32>,
    ) -> io::Result<()> {
        let Some(encoding) = tensor.encoding else {
            return Err(io::ErrorKind::Unsupported.into());
        };
        // Blocks are read whole, and what stands before and behind the run is dropped.
        let (n_numbers, n_bytes) = encoding.block();
        let blocks = skip / n_numbers..(skip + n).div_ceil(n_numbers);
        let begin = values.len();
        let mut left = blocks.len();
        let place = SeekFrom::Start(tensor.start + (blocks.start * n_bytes) as u64);
        // Out of `self`, so that the chunk can be borrowed beside it; it is put back where all went well.
        let mut file = match self.open.take() {
            Some((number, file)) if number == tensor.file => file,
            _ => File::open(&self.files[tensor.file])?,
        };
        file.seek(place)?;
        while left > 0 {
            let n_blocks = left.min(CHUNK / n_bytes);
            self.chunk.resize(n_blocks * n_bytes, 0);
            file.read_exact(&mut self.chunk)?;
            encoding.decode(&self.chunk, values);
            left -= n_blocks;
        }
        self.open = Some((tensor.file, file));
        values.drain(begin..begin + (skip - blocks.start * n_numbers));
        values.truncate(begin + n);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    /// A source of one tensor of bytes, and its folder.
    fn source(
        shape: &[usize],
        encoding: Encoding,
        rows: RowOrder,
        bytes: &[u8],
    ) -> (Source, StoredTensor, tempfile::NamedTempFile) {
        let mut file = tempfile::NamedTempFile::new().expect("a file");
        file.write_all(&[9; 3]).expect("written");
        file.write_all(bytes).expect("written");
        let tensor = StoredTensor {
            shape: shape.to_vec(),
            encoding: Some(encoding),
            type_name: "F32".into(),
            file: 0,
            start: 3,
            rows,
        };
        let tensors = BTreeMap::from([("x".to_string(), tensor.clone())]);
        let source = Source::new(file.path(), vec![file.path().into()], tensors);
        (source, tensor, file)
    }

    fn bytes(values: impl IntoIterator<Item = f32>) -> Vec<u8> {
        values.into_iter().flat_map(f32::to_le_bytes).collect()
    }

    fn region(
        rows: std::ops::Range<usize>,
        columns: std::ops::Range<usize>,
        n_columns: usize,
        turned: bool,
    ) -> Region {
        Region {
            rows,
            columns,
            n_columns,
            turned,
        }
    }

    #[test]
    fn a_region_is_read_and_turned() {
        let numbers = bytes((0..12u8).map(f32::from));
        let (mut source, tensor, _file) = source(&[3, 4], Encoding::F32, RowOrder::Plain, &numbers);
        let mut read = |region| source.read("x", &tensor, &region).expect("read");
        assert_eq!(
            read(region(1..3, 0..4, 4, false)),
            [4., 5., 6., 7., 8., 9., 10., 11.]
        );
        assert_eq!(
            read(region(0..3, 1..3, 4, false)),
            [1., 2., 5., 6., 9., 10.]
        );
        assert_eq!(
            read(region(1..3, 0..4, 4, true)),
            [4., 8., 5., 9., 6., 10., 7., 11.]
        );
    }

    #[test]
    fn a_matrix_of_many_strips_is_turned_whole() {
        let (n_rows, n_columns) = (700, 1001);
        let numbers = bytes((0..n_rows * n_columns).map(|i| i as f32));
        let (mut source, tensor, _file) = source(
            &[n_rows, n_columns],
            Encoding::F32,
            RowOrder::Plain,
            &numbers,
        );
        let turned = source
            .read(
                "x",
                &tensor,
                &region(0..n_rows, 0..n_columns, n_columns, true),
            )
            .expect("read");
        for (i, value) in turned.iter().enumerate() {
            let (column, row) = (i / n_rows, i % n_rows);
            assert_eq!(*value, (row * n_columns + column) as f32);
        }
    }

    #[test]
    fn a_run_may_begin_and_end_inside_a_block() {
        let mut blocks = Vec::new();
        for first in [0i8, 32, 64] {
            blocks.extend([0x00, 0x3c]);
            blocks.extend((first..first + 32).map(i8::cast_unsigned));
        }
        let (mut source, tensor, _file) =
            source(&[1, 96], Encoding::Q8_0, RowOrder::Plain, &blocks);
        let found = source
            .read("x", &tensor, &region(0..1, 30..70, 96, false))
            .expect("read");
        assert!(found.into_iter().eq((30..70u8).map(f32::from)));
    }

    #[test]
    fn interleaved_rows_come_in_halves() {
        // Two heads of four rows; their rows 0, 2 of the file are the first half, 1, 3 the second.
        let numbers = bytes((0..8u8).map(f32::from));
        let rows = RowOrder::Interleaved { n_heads: 2 };
        let (mut source, tensor, _file) = source(&[8, 1], Encoding::F32, rows, &numbers);
        let found = source
            .read("x", &tensor, &region(0..8, 0..1, 1, true))
            .expect("read");
        assert_eq!(found, [0., 2., 1., 3., 4., 6., 5., 7.]);
    }

    #[test]
    fn a_weight_that_is_no_number_is_refused_and_an_infinite_one_is_not() {
        for (value, is_in_order) in [
            (f32::NAN, false),
            (-f32::NAN, false),
            (f32::NEG_INFINITY, true),
            (f32::MAX, true),
        ] {
            let numbers = bytes([1.0, value, 2.0]);
            let (mut source, tensor, _file) =
                source(&[3], Encoding::F32, RowOrder::Plain, &numbers);
            let read = source.read("x", &tensor, &region(0..1, 0..3, 3, false));
            assert_eq!(read.is_ok(), is_in_order, "{value}");
            if let Err(error) = read {
                assert!(!error.is_io());
                assert!(error.to_string().contains("\"x\""), "{error}");
            }
        }
    }
}
