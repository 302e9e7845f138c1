//! Writing GGUF files for tests, good ones and bad ones.
#![allow(dead_code, reason = "each test binary uses its part")]

/// A value of a setting.
#[derive(Debug, Clone)]
pub(crate) enum Setting {
    U32(u32),
    F32(f32),
    Text(String),
    /// A list of texts.
    Texts(Vec<String>),
    /// Of any type, as its bytes.
    Raw(u32, Vec<u8>),
}

/// A tensor as it goes into the file.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    /// Innermost axis first.
    pub(crate) axes: Vec<u64>,
    pub(crate) kind: u32,
    pub(crate) bytes: Vec<u8>,
    /// In place of where it lies.
    pub(crate) offset: Option<u64>,
}

/// What a file says.
#[derive(Debug, Clone)]
pub(crate) struct Gguf {
    pub(crate) magic: [u8; 4],
    pub(crate) version: u32,
    /// In place of how many there are.
    pub(crate) n_tensors: Option<u64>,
    pub(crate) n_settings: Option<u64>,
    pub(crate) settings: Vec<(String, Setting)>,
    pub(crate) tensors: Vec<Entry>,
}

impl Gguf {
    /// Settings of a model of two layers, 32 wide, with two heads of queries and one of keys; 7 tokens.
    pub(crate) fn small() -> Self {
        let number = |name: &str, value| (name.to_string(), Setting::U32(value));
        let settings = vec![
            ("general.architecture".into(), Setting::Text("llama".into())),
            number("llama.context_length", 16),
            number("llama.embedding_length", 32),
            number("llama.block_count", 2),
            number("llama.feed_forward_length", 64),
            number("llama.attention.head_count", 2),
            number("llama.attention.head_count_kv", 1),
            (
                "llama.attention.layer_norm_rms_epsilon".into(),
                Setting::F32(1e-5),
            ),
            ("llama.rope.freq_base".into(), Setting::F32(10_000.0)),
            number("llama.rope.dimension_count", 16),
            number("tokenizer.ggml.bos_token_id", 1),
            number("tokenizer.ggml.eos_token_id", 2),
            (
                "tokenizer.ggml.tokens".into(),
                Setting::Texts(vec!["a".into(); 7]),
            ),
        ];
        let mut file = Self {
            magic: *b"GGUF",
            version: 3,
            n_tensors: None,
            n_settings: None,
            settings,
            tensors: Vec::new(),
        };
        file.add("token_embd.weight", &[7, 32]);
        for layer in 0..2 {
            for (part, shape) in [
                ("attn_norm", &[32][..]),
                ("attn_q", &[32, 32]),
                ("attn_k", &[16, 32]),
                ("attn_v", &[16, 32]),
                ("attn_output", &[32, 32]),
                ("ffn_norm", &[32]),
                ("ffn_gate", &[64, 32]),
                ("ffn_up", &[64, 32]),
                ("ffn_down", &[32, 64]),
            ] {
                file.add(&format!("blk.{layer}.{part}.weight"), shape);
            }
        }
        file.add("output_norm.weight", &[32]);
        file.add("output.weight", &[7, 32]);
        file
    }

    /// Adds a tensor of single precision, outermost axis first, whose numbers are their own places.
    fn add(&mut self, name: &str, shape: &[u64]) {
        let n_numbers: u64 = shape.iter().product();
        self.tensors.push(Entry {
            name: name.into(),
            axes: shape.iter().rev().copied().collect(),
            kind: 0,
            bytes: (0..n_numbers)
                .flat_map(|i| (i as f32).to_le_bytes())
                .collect(),
            offset: None,
        });
    }

    pub(crate) fn set(&mut self, name: &str, value: Setting) {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.into(), value));
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.settings.retain(|(known, _)| known != name);
    }

    pub(crate) fn tensor(&mut self, name: &str) -> &mut Entry {
        let found = self.tensors.iter_mut().find(|entry| entry.name == name);
        found.expect("a tensor of that name")
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        const ALIGNMENT: usize = 32;
        let mut file = self.magic.to_vec();
        file.extend(self.version.to_le_bytes());
        let n_tensors = self.n_tensors.unwrap_or(self.tensors.len() as u64);
        let n_settings = self.n_settings.unwrap_or(self.settings.len() as u64);
        file.extend(n_tensors.to_le_bytes());
        file.extend(n_settings.to_le_bytes());
        for (name, value) in &self.settings {
            text(&mut file, name);
            match value {
                Setting::U32(value) => {
                    file.extend(4u32.to_le_bytes());
                    file.extend(value.to_le_bytes());
                }
                Setting::F32(value) => {
                    file.extend(6u32.to_le_bytes());
                    file.extend(value.to_le_bytes());
                }
                Setting::Text(value) => {
                    file.extend(8u32.to_le_bytes());
                    text(&mut file, value);
                }
                Setting::Texts(values) => {
                    file.extend([9u32.to_le_bytes(), 8u32.to_le_bytes()].concat());
                    file.extend((values.len() as u64).to_le_bytes());
                    values.iter().for_each(|value| text(&mut file, value));
                }
                Setting::Raw(kind, bytes) => {
                    file.extend(kind.to_le_bytes());
                    file.extend(bytes);
                }
            }
        }
        let mut data = Vec::new();
        for entry in &self.tensors {
            data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
            text(&mut file, &entry.name);
            file.extend((entry.axes.len() as u32).to_le_bytes());
            for axis in &entry.axes {
                file.extend(axis.to_le_bytes());
            }
            file.extend(entry.kind.to_le_bytes());
            file.extend(entry.offset.unwrap_or(data.len() as u64).to_le_bytes());
            data.extend(&entry.bytes);
        }
        file.resize(file.len().next_multiple_of(ALIGNMENT), 0);
        file.extend(data);
        file
    }
}

fn text(file: &mut Vec<u8>, text: &str) {
    file.extend((text.len() as u64).to_le_bytes());
    file.extend(text.as_bytes());
}
