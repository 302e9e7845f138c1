//! Ways to spoil a GGUF file.

use crate::gguf::{Gguf, Setting};
use crate::random::Random;

/// Spoils a file in one way; says how.
pub(crate) fn damage(original: &Gguf, random: &mut Random) -> (&'static str, Vec<u8>) {
    let mut file = original.clone();
    let how = match random.below(12) {
        0 => {
            let mut bytes = file.bytes();
            bytes.truncate(random.below(bytes.len()));
            return ("cut short", bytes);
        }
        1..=3 => {
            // What comes first is the header.
            let mut bytes = file.bytes();
            let n_bytes = [2000, bytes.len()][random.below(2)];
            for _ in 0..=random.below(4) {
                bytes[random.below(n_bytes)] = random.number() as u8;
            }
            return ("bytes replaced", bytes);
        }
        4..=6 => {
            let place = random.below(file.settings.len());
            file.settings[place].1 = hostile(random);
            "a setting replaced"
        }
        7 => {
            file.settings.remove(random.below(file.settings.len()));
            "a setting removed"
        }
        8 => {
            let (from, to) = (
                random.below(file.tensors.len()),
                random.below(file.tensors.len()),
            );
            file.tensors[to].name = file.tensors[from].name.clone();
            "a tensor renamed"
        }
        9 => {
            let lie = Some(*random.of(&[0, 1, 20, 22, 65_536, 1 << 40, u64::MAX]));
            match random.below(2) {
                0 => file.n_tensors = lie,
                _ => file.n_settings = lie,
            }
            "a lie about a count"
        }
        10 => {
            let place = random.below(file.tensors.len());
            file.tensors[place].kind = *random.of(&[1, 2, 3, 8, 12, 30, 31, u32::MAX]);
            "another type"
        }
        _ => {
            let place = random.below(file.tensors.len());
            let number = *random.of(&[0, 1, 31, 32, 33, 64, 1 << 31, 1 << 60, u64::MAX]);
            let entry = &mut file.tensors[place];
            match random.below(4) {
                0 => entry.offset = Some(number),
                1 => entry.axes.push(number),
                2 => entry.axes = vec![number; random.below(7)],
                _ => entry.axes[0] = number,
            }
            "another place or shape"
        }
    };
    (how, file.bytes())
}

fn hostile(random: &mut Random) -> Setting {
    let number = *random.of(&[0, 1, 2, 3, 5, 17, 1 << 16, 1 << 31, u32::MAX]);
    let float = *random.of(&[0.0, -1.0, 1e-30, 1e30, f32::NAN, f32::INFINITY]);
    let length = random.number() >> random.below(64);
    match random.below(6) {
        0 | 1 => Setting::U32(number),
        2 => Setting::F32(float),
        3 => Setting::Text("llama".repeat(random.below(100))),
        4 => Setting::Texts(vec!["a".into(); random.below(9)]),
        // Of any type, with any length before it.
        _ => {
            let kind = random.below(14) as u32;
            Setting::Raw(
                kind,
                [&8u32.to_le_bytes()[..], &length.to_le_bytes()].concat(),
            )
        }
    }
}
