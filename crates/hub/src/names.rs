//! Tables that map the tensors of a file onto the parameters of a module.
//!
//! A dialect's table is data: one [`Row`] a kind of tensor, `{}` where the number of a layer stands. This file reads
//! tables; it knows no name.

use std::collections::{HashMap, HashSet};
use std::ops::Range;

use crate::parameters::Parameter;

/// One kind of tensor in a file.
#[derive(Debug)]
pub(crate) struct Row {
    /// Its name in the file.
    pub outside: &'static str,
    /// How the file lays it out.
    pub layout: Layout,
    /// The parameters it holds, side by side along the axis of outputs.
    pub inside: &'static [&'static str],
}

/// How a tensor in a file relates to our parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// The same; several parameters stand side by side along the last axis.
    Same,
    /// A matrix of `[d_output, d_input]`, as PyTorch's `Linear` has it; Burn's is `[d_input, d_output]`. Several
    /// stand one below the other.
    Transposed,
    /// With a first axis of one.
    Row,
}

/// A dialect's names.
#[derive(Debug)]
pub(crate) struct NameTable {
    /// The tensors of a file. A row whose parameters the module lacks does not apply.
    pub rows: &'static [Row],
    /// Tensors that a file may hold besides: copies of others, and constants.
    pub ignored: &'static [&'static str],
    /// A prefix that some files leave out everywhere.
    pub prefix: &'static str,
}

pub(crate) const fn row(
    outside: &'static str,
    layout: Layout,
    inside: &'static [&'static str],
) -> Row {
    Row {
        outside,
        layout,
        inside,
    }
}

/// A tensor of a file, and the parameters of one module that it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Placement {
    pub outside: String,
    pub layout: Layout,
    pub parts: Vec<Parameter>,
}

/// Which tensors of a file hold the given parameters. Without a table, each parameter is a tensor of its own name.
///
/// # Errors
/// The parameters that no row has, or only in part.
pub(crate) fn place(
    table: Option<&NameTable>,
    parameters: &[Parameter],
) -> Result<Vec<Placement>, Vec<String>> {
    let Some(table) = table else {
        let own = |parameter: &Parameter| Placement {
            outside: parameter.path.clone(),
            layout: Layout::Same,
            parts: vec![parameter.clone()],
        };
        return Ok(parameters.iter().map(own).collect());
    };
    let by_path: HashMap<_, _> = parameters
        .iter()
        .map(|parameter| (parameter.path.as_str(), parameter))
        .collect();
    let mut placements = Vec::new();
    for row in table.rows {
        for index in 0.. {
            let parts = row.inside.iter().map(|pattern| {
                let path = at(pattern, index);
                by_path
                    .get(path.as_str())
                    .map(|&parameter| parameter.clone())
            });
            let Some(parts) = parts.collect::<Option<Vec<_>>>() else {
                break;
            };
            placements.push(Placement {
                outside: at(row.outside, index),
                layout: row.layout,
                parts,
            });
            if !row.outside.contains("{}") {
                break;
            }
        }
    }
    let placed: HashSet<_> = placements
        .iter()
        .flat_map(|placement| &placement.parts)
        .map(|part| part.path.as_str())
        .collect();
    let homeless: Vec<_> = parameters
        .iter()
        .map(|parameter| parameter.path.clone())
        .filter(|path| !placed.contains(path.as_str()))
        .collect();
    if homeless.is_empty() {
        Ok(placements)
    } else {
        Err(homeless)
    }
}

impl NameTable {
    /// Whether a file may hold this tensor without our knowing what to do with it.
    pub(crate) fn ignores(&self, name: &str) -> bool {
        self.ignored.iter().any(|pattern| {
            matches(pattern, name)
                || pattern
                    .strip_prefix(self.prefix)
                    .is_some_and(|bare| matches(bare, name))
        })
    }
}

/// A pattern's name for the layer of the given number.
fn at(pattern: &str, index: usize) -> String {
    pattern.replacen("{}", &index.to_string(), 1)
}

fn matches(pattern: &str, name: &str) -> bool {
    let Some((before, after)) = pattern.split_once("{}") else {
        return pattern == name;
    };
    name.strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after))
        .is_some_and(|index| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Where one part lies in a file's tensor, seen as a matrix: its rows and its columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Region {
    pub rows: Range<usize>,
    pub columns: Range<usize>,
    /// Columns of the whole tensor.
    pub n_columns: usize,
    /// Whether our parameter has its columns as rows.
    pub turned: bool,
}

impl Placement {
    /// The shape of the tensor in the file.
    pub(crate) fn shape(&self) -> Vec<usize> {
        let mut shape = self.parts[0].shape.clone();
        let total = self.parts.iter().map(|part| last(&part.shape)).sum();
        if let Some(axis) = shape.last_mut() {
            *axis = total;
        }
        match self.layout {
            Layout::Same => {}
            Layout::Transposed => shape.reverse(),
            Layout::Row => shape.insert(0, 1),
        }
        shape
    }

    /// Where a part lies.
    pub(crate) fn region(&self, part: usize) -> Region {
        let start = self.parts[..part]
            .iter()
            .map(|part| last(&part.shape))
            .sum();
        let shape = &self.parts[part].shape;
        let outputs = start..start + last(shape);
        let inputs = n_rows(shape);
        match self.layout {
            Layout::Transposed => Region {
                rows: outputs,
                columns: 0..inputs,
                n_columns: inputs,
                turned: true,
            },
            Layout::Same | Layout::Row => Region {
                rows: 0..inputs,
                columns: outputs,
                n_columns: last(&self.shape()),
                turned: false,
            },
        }
    }

    /// The numbers of the whole tensor in the file, from the numbers of each part as the module has them.
    pub(crate) fn outside(&self, mut parts: Vec<Vec<f32>>) -> Vec<f32> {
        match self.layout {
            Layout::Transposed => {
                let rows = parts
                    .iter()
                    .zip(&self.parts)
                    .map(|(values, part)| transpose(values, n_rows(&part.shape)));
                rows.collect::<Vec<_>>().concat()
            }
            Layout::Same | Layout::Row if parts.len() == 1 => parts.remove(0),
            Layout::Same | Layout::Row => {
                let mut whole = Vec::with_capacity(parts.iter().map(Vec::len).sum());
                for row in 0..n_rows(&self.parts[0].shape) {
                    for (values, part) in parts.iter().zip(&self.parts) {
                        let width = last(&part.shape);
                        whole.extend_from_slice(&values[row * width..(row + 1) * width]);
                    }
                }
                whole
            }
        }
    }
}

fn last(shape: &[usize]) -> usize {
    shape.last().copied().unwrap_or(1)
}

fn n_rows(shape: &[usize]) -> usize {
    let (_, axes) = shape.split_last().unwrap_or((&1, &[]));
    axes.iter().product()
}

/// A matrix of `n_rows` rows, turned.
fn transpose(values: &[f32], n_rows: usize) -> Vec<f32> {
    let n_columns = values.len().checked_div(n_rows).unwrap_or(0);
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..n_columns {
        turned.extend((0..n_rows).map(|row| values[row * n_columns + column]));
    }
    turned
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: NameTable = NameTable {
        rows: &[
            row("x.{}.ab", Layout::Same, &["layers.{}.a", "layers.{}.b"]),
            row("x.{}.t", Layout::Transposed, &["layers.{}.t"]),
            row("bias", Layout::Row, &["bias"]),
        ],
        ignored: &["x.{}.copy"],
        prefix: "x.",
    };

    fn parameter(path: &str, shape: &[usize]) -> Parameter {
        Parameter {
            path: path.into(),
            shape: shape.into(),
        }
    }

    fn layer() -> Vec<Parameter> {
        vec![
            parameter("layers.0.a", &[2, 1]),
            parameter("layers.0.b", &[2, 3]),
            parameter("layers.0.t", &[3, 2]),
        ]
    }

    #[test]
    fn rows_apply_to_the_layers_there_are() {
        let placements = place(Some(&TABLE), &layer()).expect("every parameter has a row");
        let shapes: Vec<_> = placements
            .iter()
            .map(|placement| (placement.outside.as_str(), placement.shape()))
            .collect();
        assert_eq!(shapes, [("x.0.ab", vec![2, 4]), ("x.0.t", vec![2, 3])]);
    }

    #[test]
    fn a_parameter_without_a_row_is_named() {
        let mut parameters = layer();
        parameters.push(parameter("other", &[1]));
        assert_eq!(
            place(Some(&TABLE), &parameters),
            Err(vec!["other".to_string()])
        );
    }

    #[test]
    fn half_a_row_is_no_row() {
        let parameters = [parameter("layers.0.a", &[2, 1])];
        assert_eq!(
            place(Some(&TABLE), &parameters),
            Err(vec!["layers.0.a".to_string()])
        );
    }

    #[test]
    fn joining_and_taking_apart_are_each_others_inverse() {
        let placements = place(Some(&TABLE), &layer()).expect("every parameter has a row");
        let a = vec![0.0, 4.0];
        let b = vec![1.0, 2.0, 3.0, 5.0, 6.0, 7.0];
        let joined = placements[0].outside(vec![a, b]);
        assert_eq!(joined, [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]);
        let region = placements[0].region(1);
        assert_eq!((region.rows, region.columns), (0..2, 1..4));

        let t = vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0];
        let turned = placements[1].outside(vec![t.clone()]);
        assert_eq!(turned, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
        let region = placements[1].region(0);
        assert!(region.turned);
        assert_eq!((region.rows, region.columns), (0..2, 0..3));
    }

    #[test]
    fn a_first_axis_of_one_is_added_and_dropped() {
        let placements =
            place(Some(&TABLE), &[parameter("bias", &[5])]).expect("every parameter has a row");
        assert_eq!(placements[0].shape(), [1, 5]);
        let region = placements[0].region(0);
        assert_eq!(
            (region.rows, region.columns, region.n_columns),
            (0..1, 0..5, 5)
        );
    }

    #[test]
    fn ignored_names_are_known_with_and_without_the_prefix() {
        for name in ["x.0.copy", "12.copy"] {
            assert!(TABLE.ignores(name), "{name}");
        }
        for name in ["x.copy", "x..copy", "x.a.copy", "x.0.copy.1"] {
            assert!(!TABLE.ignores(name), "{name}");
        }
    }
}
