//! How one sequence becomes another with the fewest edits.

/// What happens to one place of a reference or a hypothesis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edit {
    /// Both have the same.
    Hit,
    /// The hypothesis has something else.
    Substitution,
    /// Only the hypothesis has it.
    Insertion,
    /// Only the reference has it.
    Deletion,
}

/// The largest table of costs: longer sequences are cut in two first, so that memory stays bounded.
const MOST_CELLS: usize = 1 << 24;

/// The fewest edits that make the hypothesis of the reference, from left to right; each edit costs one.
///
/// Of several ways that are equally short it takes the one that rapidfuzz takes, and so jiwer: what both begin and end with
/// stays, and from the right a deletion goes before an insertion and that before a substitution. Only how edits divide into
/// kinds depends on it. Wagner and Fischer 1974 <https://doi.org/10.1145/321796.321811>; cut as in Hirschberg 1975
/// <https://doi.org/10.1145/360825.360861>.
pub fn align<T: PartialEq>(reference: &[T], hypothesis: &[T]) -> Vec<Edit> {
    let mut edits = Vec::with_capacity(reference.len().max(hypothesis.len()));
    trimmed(reference, hypothesis, MOST_CELLS, &mut edits);
    edits
}

/// Sets aside what both begin and end with.
fn trimmed<T: PartialEq>(reference: &[T], hypothesis: &[T], most: usize, edits: &mut Vec<Edit>) {
    let same = |(a, b): &(&T, &T)| a == b;
    let n_first = reference.iter().zip(hypothesis).take_while(same).count();
    let (reference, hypothesis) = (&reference[n_first..], &hypothesis[n_first..]);
    let backwards = reference.iter().rev().zip(hypothesis.iter().rev());
    let n_last = backwards.take_while(same).count();
    let reference = &reference[..reference.len() - n_last];
    let hypothesis = &hypothesis[..hypothesis.len() - n_last];
    edits.extend([Edit::Hit].repeat(n_first));
    if hypothesis.len() < 2 || (reference.len() + 1) * (hypothesis.len() + 1) <= most {
        by_table(reference, hypothesis, edits);
    } else {
        let (left, right) = hypothesis.split_at(hypothesis.len() / 2);
        let (before, behind) = reference.split_at(cut(reference, left, right));
        trimmed(before, left, most, edits);
        trimmed(behind, right, most, edits);
    }
    edits.extend([Edit::Hit].repeat(n_last));
}

/// Where to cut the reference so that its parts make the parts of the hypothesis with the fewest edits.
fn cut<T: PartialEq>(reference: &[T], left: &[T], right: &[T]) -> usize {
    let before = last_row(reference.iter(), left.iter());
    let behind = last_row(reference.iter().rev(), right.iter().rev());
    let both = before.iter().zip(behind.iter().rev()).map(|(a, b)| a + b);
    let least = both.enumerate().min_by_key(|(_, cost)| *cost);
    least.map_or(0, |(at, _)| at)
}

/// What each beginning of the reference costs to become all of the hypothesis.
fn last_row<'a, T: PartialEq + 'a>(
    reference: impl Iterator<Item = &'a T> + Clone,
    hypothesis: impl Iterator<Item = &'a T>,
) -> Vec<u32> {
    let mut row: Vec<u32> = (0..).take(reference.clone().count() + 1).collect();
    for item in hypothesis {
        let mut diagonal = row[0];
        row[0] += 1;
        for (i, expected) in reference.clone().enumerate() {
            let replaced = diagonal + u32::from(expected != item);
            diagonal = row[i + 1];
            row[i + 1] = replaced.min(diagonal + 1).min(row[i] + 1);
        }
    }
    row
}

fn by_table<T: PartialEq>(reference: &[T], hypothesis: &[T], edits: &mut Vec<Edit>) {
    let width = hypothesis.len() + 1;
    let at = |i: usize, j: usize| i * width + j;
    let mut costs = vec![0_u32; (reference.len() + 1) * width];
    for (cost, j) in costs[..width].iter_mut().zip(0..) {
        *cost = j;
    }
    for (expected, i) in reference.iter().zip(1..) {
        costs[at(i, 0)] = costs[at(i - 1, 0)] + 1;
        for (found, j) in hypothesis.iter().zip(1..) {
            let replaced = costs[at(i - 1, j - 1)] + u32::from(expected != found);
            let deleted = costs[at(i - 1, j)] + 1;
            costs[at(i, j)] = replaced.min(deleted).min(costs[at(i, j - 1)] + 1);
        }
    }
    let (mut i, mut j) = (reference.len(), hypothesis.len());
    let mut backwards = Vec::with_capacity(i.max(j));
    while i > 0 || j > 0 {
        let edit = if j == 0 || (i > 0 && costs[at(i, j)] == costs[at(i - 1, j)] + 1) {
            Edit::Deletion
        } else if i == 0 || costs[at(i, j - 1)] + 1 == costs[at(i - 1, j - 1)] {
            Edit::Insertion
        } else if reference[i - 1] == hypothesis[j - 1] {
            Edit::Hit
        } else {
            Edit::Substitution
        };
        i -= usize::from(edit != Edit::Insertion);
        j -= usize::from(edit != Edit::Deletion);
        backwards.push(edit);
    }
    edits.extend(backwards.into_iter().rev());
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn letters(reference: &str, hypothesis: &str) -> String {
        let edits = align(reference.as_bytes(), hypothesis.as_bytes());
        let letter = |edit| match edit {
            Edit::Hit => '=',
            Edit::Substitution => 'S',
            Edit::Insertion => 'I',
            Edit::Deletion => 'D',
        };
        edits.into_iter().map(letter).collect()
    }

    /// The edits in Python: `rapidfuzz.distance.Levenshtein.editops(reference, hypothesis)`.
    #[test]
    fn edits_are_those_of_rapidfuzz() {
        assert_eq!(letters("kitten", "sitting"), "S===S=I");
        assert_eq!(letters("abc", ""), "DDD");
        assert_eq!(letters("", "abc"), "III");
        assert_eq!(letters("same", "same"), "====");
    }

    /// The hypothesis that the edits make of the reference, and how many are no hits.
    fn applied(reference: &[u8], hypothesis: &[u8], edits: &[Edit]) -> (Vec<u8>, usize) {
        let (mut i, mut j, mut made) = (0, 0, Vec::new());
        for edit in edits {
            match edit {
                Edit::Hit => made.push(reference[i]),
                Edit::Substitution | Edit::Insertion => made.push(hypothesis[j]),
                Edit::Deletion => {}
            }
            i += usize::from(*edit != Edit::Insertion);
            j += usize::from(*edit != Edit::Deletion);
        }
        assert_eq!((i, j), (reference.len(), hypothesis.len()));
        let n_edits = edits.iter().filter(|edit| **edit != Edit::Hit).count();
        (made, n_edits)
    }

    proptest! {
        #[test]
        fn edits_make_the_hypothesis_and_a_cut_costs_none(a in "[abc]{0,24}", b in "[abc]{0,24}") {
            let (a, b) = (a.as_bytes(), b.as_bytes());
            let (made, n_edits) = applied(a, b, &align(a, b));
            prop_assert_eq!(made, b);
            prop_assert_eq!(n_edits, last_row(a.iter(), b.iter())[a.len()] as usize);
            let mut edits = Vec::new();
            trimmed(a, b, 9, &mut edits);
            prop_assert_eq!(applied(a, b, &edits), (b.to_vec(), n_edits));
        }
    }
}
