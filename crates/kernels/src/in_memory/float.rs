//! Functions of single numbers, written so that a compiler makes vectors of them, and sums in an order that does not
//! depend on the machine.

/// Below it, `eˣ` is nearly too small for a normal number.
const LEAST: f32 = -87.0;

/// `eˣ` for `x ≤ 0`, to 1.5e-7 of itself; zero below -87, where it would be less than 2e-38.
///
/// `x = k ln 2 + r` with a whole `k` and `|r| ≤ ln 2 / 2`: Taylor's polynomial of `r` of degree 7, which is 5e-9 off, times
/// `2ᵏ`, which is made of bits. Products and sums are not contracted, so that every machine has the same result.
#[inline(always)]
pub(super) fn exp(x: f32) -> f32 {
    /// `1.5 · 2²³`: a number that it is added to is rounded to a whole one, which lies in the lowest bits.
    const ROUNDING: f32 = 12_582_912.0;
    /// The leading bits of `ln 2`, so that their products with whole numbers are exact, and the rest.
    const LN_2: [f32; 2] = [0.693_359_4, -2.121_944_4e-4];
    let shifted = x * std::f32::consts::LOG2_E + ROUNDING;
    let k = shifted - ROUNDING;
    let r = x - k * LN_2[0] - k * LN_2[1];
    let terms = [
        1.0 / 5040.0,
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ];
    let power = f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()));
    let found = polynomial(&terms, r) * power;
    if x < LEAST { 0.0 } else { found }
}

/// By Horner's rule, the highest power first.
#[inline(always)]
pub(super) fn polynomial(terms: &[f32], x: f32) -> f32 {
    terms.iter().fold(0.0, |sum, term| sum * x + term)
}

/// In so many parts a row is added up: a vector of the widest machine.
const LANES: usize = 16;

/// The sum of what `term` makes of each number.
#[inline(always)]
pub(super) fn sum(row: &[f32], term: impl Fn(f32) -> f32) -> f32 {
    fold([row; 1], 0.0, |sum, [x]| sum + term(x))
        .into_iter()
        .sum()
}

/// The sum of the products of two rows of one length.
#[inline(always)]
pub(super) fn dot(one: &[f32], other: &[f32]) -> f32 {
    fold([one, other], 0.0, |sum, [a, b]| sum + a * b)
        .into_iter()
        .sum()
}

/// The highest number; the lowest there is, if there is no higher one.
#[inline(always)]
pub(super) fn highest(row: &[f32]) -> f32 {
    fold([row; 1], f32::MIN, |highest, [x]| larger(highest, x))
        .into_iter()
        .fold(f32::MIN, larger)
}

/// The second where it is larger, else the first.
#[inline(always)]
pub(super) fn larger(one: f32, other: f32) -> f32 {
    if other > one { other } else { one }
}

/// The numbers of rows that lie beside each other, in [`LANES`] parts.
#[inline(always)]
fn fold<const N: usize>(
    rows: [&[f32]; N],
    first: f32,
    add: impl Fn(f32, [f32; N]) -> f32,
) -> [f32; LANES] {
    let mut lanes = [first; LANES];
    let rows = rows.map(<[f32]>::as_chunks::<LANES>);
    for i in 0..rows[0].0.len() {
        let wholes = rows.map(|(wholes, _)| &wholes[i]);
        for (lane, number) in lanes.iter_mut().enumerate() {
            *number = add(*number, wholes.map(|whole| whole[lane]));
        }
    }
    for lane in 0..rows[0].1.len() {
        lanes[lane] = add(lanes[lane], rows.map(|(_, rest)| rest[lane]));
    }
    lanes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exponentials_are_exact_to_single_precision() {
        let close = |x: f32| {
            let expected = f64::from(x).exp();
            (f64::from(exp(x)) - expected).abs() <= 1.5e-7 * expected
        };
        assert!((0..87_000).map(|i| i as f32 * -1e-3).all(close));
        assert!(exp(0.0) == 1.0 && exp(-87.5) == 0.0 && exp(f32::NEG_INFINITY) == 0.0);
        assert!(exp(f32::NAN).is_nan());
    }

    #[test]
    fn all_of_a_row_counts() {
        for n in [0usize, 1, 15, 16, 17, 100] {
            let row: Vec<f32> = (0..n).map(|i| i as f32).collect();
            let expected = (n * n.saturating_sub(1) / 2) as f32;
            assert_eq!(sum(&row, |x| x), expected);
            assert_eq!(dot(&row, &vec![2.0; n]), 2.0 * expected);
            let last = row.last().copied().unwrap_or(f32::MIN);
            assert_eq!(highest(&row), last);
        }
    }
}
