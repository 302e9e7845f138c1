//! Data as bytes, so that a hash can tell whether it is the same data.

use hearth_data::TokenId;

/// Who is shown the bytes, a part at a time.
pub type See<'a> = dyn FnMut(&[u8]) + 'a;

/// How many numbers are shown at a time.
const PART: usize = 4096;

/// How many ids there are, and the ids.
pub(crate) fn ids(ids: &[TokenId], see: &mut See<'_>) {
    each(ids, see, |id| id.to_le_bytes());
}

/// How many numbers there are, and the numbers.
pub(crate) fn numbers(numbers: &[f32], see: &mut See<'_>) {
    each(numbers, see, f32::to_le_bytes);
}

pub(crate) fn count(n: usize, see: &mut See<'_>) {
    see(&(n as u64).to_le_bytes());
}

fn each<T: Copy>(all: &[T], see: &mut See<'_>, bytes: impl Fn(T) -> [u8; 4]) {
    count(all.len(), see);
    for part in all.chunks(PART) {
        let part: Vec<u8> = part.iter().flat_map(|&one| bytes(one)).collect();
        see(&part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_one_text_ends_and_the_next_begins_is_part_of_the_bytes() {
        let bytes = |texts: &[&[TokenId]]| {
            let mut all = Vec::new();
            for text in texts {
                ids(text, &mut |part| all.extend_from_slice(part));
            }
            all
        };
        assert_ne!(bytes(&[&[1, 2], &[3]]), bytes(&[&[1], &[2, 3]]));
        assert_eq!(bytes(&[&[1]]), [1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0]);
    }
}
