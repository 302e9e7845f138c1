//! SHA-256 of files and of data: whether it is the same as it was.

use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// A hash that is being made.
pub(crate) struct Fingerprint(Sha256);

impl Fingerprint {
    pub(crate) fn new() -> Self {
        Self(Sha256::new())
    }

    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// In hexadecimal.
    pub(crate) fn finish(self) -> String {
        self.0
            .finalize()
            .iter()
            .fold(String::new(), |mut text, byte| {
                // Writing to a string cannot fail.
                let _ = write!(text, "{byte:02x}");
                text
            })
    }
}

/// The fingerprint of what `content` shows, a part at a time.
pub(crate) fn of(content: impl FnOnce(&mut dyn FnMut(&[u8]))) -> String {
    let mut fingerprint = Fingerprint::new();
    content(&mut |bytes| fingerprint.add(bytes));
    fingerprint.finish()
}

#[cfg(test)]
mod tests {
    #[test]
    fn abc_has_the_hash_of_the_standard() {
        let found = super::of(|see| {
            see(b"a");
            see(b"bc");
        });
        assert_eq!(
            found,
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
