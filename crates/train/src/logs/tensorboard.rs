//! An event file: what TensorBoard reads.
//!
//! A file of records, each a length, its checksum, a message and the checksum of that
//! (<https://www.tensorflow.org/tutorials/load_data/tfrecord#tfrecords_format_details>). A message is an `Event` of
//! `event.proto`, of which four fields are needed, so it is written by hand.

use crate::metrics::{Metric, Split};

/// The first record of a file: of which version it is.
pub(super) fn head(time: f64) -> Vec<u8> {
    let version = Message::default()
        .double(1, time)
        .bytes(3, b"brain.Event:2");
    record(&version.0)
}

/// A metric's scalars at its step.
pub(super) fn entry(metric: &Metric) -> Vec<u8> {
    let loss = match metric.split {
        Split::Train => "loss/train",
        Split::Validation => "loss/validation",
    };
    let scalars = [
        (loss, Some(metric.loss)),
        ("lr", metric.lr),
        ("gradient_norm", metric.gradient_norm),
        ("tokens_per_s", metric.tokens_per_s),
        ("skipped", metric.skipped.map(|n_steps| n_steps as f64)),
        ("perplexity", metric.perplexity),
        ("accuracy", metric.accuracy),
    ];
    let given = scalars
        .into_iter()
        .filter_map(|(tag, value)| Some((tag, value?)));
    let summary = given.fold(Message::default(), |summary, (tag, value)| {
        let scalar = Message::default().bytes(1, tag.as_bytes());
        summary.bytes(1, &scalar.float(2, value as f32).0)
    });
    let event = Message::default()
        .double(1, metric.time.unwrap_or_default())
        .varint(2, metric.step)
        .bytes(5, &summary.0);
    record(&event.0)
}

fn record(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let (of_length, of_message) = (checksum(&length), checksum(message));
    [&length[..], &of_length, message, &of_message].concat()
}

/// CRC-32C, turned and shifted, so that a checksum of data that holds checksums still tells something.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    let crc = crc32c::crc32c(bytes);
    crc.rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

/// A protobuf message, field by field <https://protobuf.dev/programming-guides/encoding/>.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(self, field: u64, value: u64) -> Self {
        self.bare(field << 3).bare(value)
    }

    fn double(self, field: u64, value: f64) -> Self {
        self.bare(field << 3 | 1).raw(&value.to_le_bytes())
    }

    fn bytes(self, field: u64, value: &[u8]) -> Self {
        let length = value.len() as u64;
        self.bare(field << 3 | 2).bare(length).raw(value)
    }

    fn float(self, field: u64, value: f32) -> Self {
        self.bare(field << 3 | 5).raw(&value.to_le_bytes())
    }

    fn raw(mut self, bytes: &[u8]) -> Self {
        self.0.extend(bytes);
        self
    }

    /// Seven bits a byte, the lowest first; the eighth says that more follow.
    fn bare(mut self, mut value: u64) -> Self {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.raw(&[value as u8])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CRC-32C a bit at a time, by its polynomial (RFC 3720, appendix B.4).
    fn crc(bytes: &[u8]) -> u32 {
        let a_bit = |crc: u32, _| (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
        let a_byte = |crc: u32, &byte: &u8| (0..8).fold(crc ^ u32::from(byte), a_bit);
        !bytes.iter().fold(!0, a_byte)
    }

    fn take<'a>(bytes: &mut &'a [u8], n: usize) -> &'a [u8] {
        let (taken, left) = bytes.split_at(n);
        *bytes = left;
        taken
    }

    /// The messages of a file whose checksums are right.
    fn messages(mut file: &[u8]) -> Vec<&[u8]> {
        let mut messages = Vec::new();
        while !file.is_empty() {
            let of = |bytes: &[u8]| {
                let crc = crc(bytes);
                let masked = crc.rotate_right(15).wrapping_add(0xa282_ead8);
                masked.to_le_bytes()
            };
            let length = take(&mut file, 8);
            assert_eq!(take(&mut file, 4), of(length));
            let n = u64::from_le_bytes(length.try_into().expect("8 bytes"));
            let message = take(&mut file, n as usize);
            assert_eq!(take(&mut file, 4), of(message));
            messages.push(message);
        }
        messages
    }

    /// The fields of a message, whose numbers are below 16: what each holds, but for lengths.
    fn fields(mut message: &[u8]) -> Vec<(u8, Vec<u8>)> {
        let mut fields = Vec::new();
        while let Some((&key, rest)) = message.split_first() {
            message = rest;
            let of_varint = |bytes: &[u8]| 1 + bytes.iter().take_while(|&&byte| byte > 127).count();
            let n = match key & 7 {
                0 => of_varint(message),
                1 => 8,
                2 => usize::from(take(&mut message, 1)[0]),
                5 => 4,
                kind => panic!("kind {kind}"),
            };
            fields.push((key >> 3, take(&mut message, n).to_vec()));
        }
        fields
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        assert_eq!(crc(b"123456789"), 0xe306_9283);
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn a_file_says_its_version_and_each_scalar_of_each_step() {
        let metric = Metric {
            step: 300,
            split: Split::Train,
            loss: 1.5,
            lr: Some(1e-3),
            gradient_norm: None,
            tokens_per_s: Some(250.0),
            skipped: None,
            perplexity: None,
            accuracy: None,
            seconds: 2.0,
            time: Some(1_700_000_000.25),
        };
        let validation = Metric {
            step: 301,
            split: Split::Validation,
            lr: None,
            tokens_per_s: None,
            ..metric
        };
        let file = [head(7.0), entry(&metric), entry(&validation)].concat();
        let events: Vec<_> = messages(&file).into_iter().map(fields).collect();
        let time = |seconds: f64| (1, seconds.to_le_bytes().to_vec());
        assert_eq!(events[0], [time(7.0), (3, b"brain.Event:2".to_vec())]);
        for (event, step, expected) in [
            // 300 is 2 · 128 + 44.
            (
                &events[1],
                vec![44 + 128, 2],
                &[("loss/train", 1.5), ("lr", 1e-3), ("tokens_per_s", 250.0)][..],
            ),
            (&events[2], vec![45 + 128, 2], &[("loss/validation", 1.5)]),
        ] {
            let [when, at, (5, summary)] = event.as_slice() else {
                panic!("{event:?}");
            };
            assert_eq!((when, at), (&time(1_700_000_000.25), &(2, step)));
            let found: Vec<_> = fields(summary)
                .into_iter()
                .map(|(number, value)| (number, fields(&value)))
                .collect();
            let expected: Vec<_> = expected
                .iter()
                .map(|&(tag, value): &(&str, f32)| {
                    let value = (2, value.to_le_bytes().to_vec());
                    (1, vec![(1, tag.as_bytes().to_vec()), value])
                })
                .collect();
            assert_eq!(found, expected);
        }
        assert_eq!(events.len(), 3);
    }
}
