//! Reading a recipe: the file, then what `--set` and `--data` change, then the checks.

use super::{Architecture, DataShape, OptimizerKind, Recipe, RecipeError, TokenizerKind};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

impl Recipe {
    /// Reads a recipe.
    ///
    /// - `overrides`: `section.key=value` as `--set` takes them, the value in TOML (a bare word is a string)
    /// - `data`: files that replace all of the recipe's data, if any; a part of them is validated on
    ///
    /// # Errors
    /// If the file cannot be read, a key is unknown, or a value has the wrong type or range.
    pub fn read(path: &Path, overrides: &[String], data: &[PathBuf]) -> Result<Self, RecipeError> {
        let text = std::fs::read_to_string(path).map_err(|source| RecipeError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::parse(&text, path, overrides, data)
    }

    /// The same from text; `origin` is what errors call it.
    pub fn parse(
        text: &str,
        origin: &Path,
        overrides: &[String],
        data: &[PathBuf],
    ) -> Result<Self, RecipeError> {
        let mut table: Table = text.parse().map_err(|error| RecipeError::Syntax {
            path: origin.to_owned(),
            error: Box::new(error),
        })?;
        for given in overrides {
            apply_override(&mut table, given)?;
        }
        let mut recipe: Self =
            table
                .try_into()
                .map_err(|error: toml::de::Error| RecipeError::Field {
                    path: origin.to_owned(),
                    message: with_nearest_key(error.to_string().trim_end()),
                })?;
        if !data.is_empty() {
            recipe.data.paths = data.to_vec();
            recipe.data.validation_paths.clear();
            recipe.data.embedded = None;
        }
        recipe.resolve()?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The recipe as TOML.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_default()
    }

    fn check(&self) -> Result<(), RecipeError> {
        // Two tokens are the least any tokenizer gives: enough to check the other sizes before data is read.
        self.model.check_initialisation()?;
        self.model.config(DataShape::default())?;
        let (data, train) = (&self.data, &self.train);
        let rate = |field, value: f64| {
            in_range(
                field,
                value,
                (0.0..1.0).contains(&value),
                "at least 0 and below 1",
            )
        };
        let positive = |field, value: f64| {
            in_range(
                field,
                value,
                value > 0.0 && value.is_finite(),
                "a number above 0",
            )
        };
        let not_negative = |field, value: f64| {
            in_range(
                field,
                value,
                value >= 0.0 && value.is_finite(),
                "a number of at least 0",
            )
        };
        let counts = |field, value: u64| in_range(field, value, value > 0, "at least 1");
        counts("train.steps", train.steps)?;
        counts("train.validate_every", train.validate_every)?;
        counts("train.log_every", train.log_every)?;
        counts("train.accumulate", train.accumulate)?;
        counts("train.replicas", train.replicas.unwrap_or(1) as u64)?;
        counts("train.keep_checkpoints", train.keep_checkpoints as u64)?;
        let storable = i64::try_from(train.seed).is_ok();
        in_range(
            "train.seed",
            train.seed,
            storable,
            "at most 9223372036854775807, as TOML has it",
        )?;
        positive("train.lr", train.lr)?;
        not_negative("train.min_lr", train.min_lr())?;
        not_negative("train.weight_decay", train.weight_decay)?;
        not_negative("train.clip_norm", train.clip_norm)?;
        positive("train.epsilon", train.epsilon)?;
        rate("train.beta_1", train.beta_1)?;
        rate("train.beta_2", train.beta_2)?;
        rate("train.momentum", train.momentum)?;
        rate("train.rho", train.rho)?;
        let has_velocity = train.optimizer == OptimizerKind::Sgd && train.momentum > 0.0;
        in_range(
            "train.nesterov",
            train.nesterov,
            has_velocity || !train.nesterov,
            "false: only sgd with a momentum above 0 has it",
        )?;
        rate("train.label_smoothing", train.label_smoothing)?;
        rate("train.ctc_weight", train.ctc_weight)?;
        super::tuning::check(self)?;
        super::encoders::check(self)?;
        super::recurrent::check(self)?;
        super::speech::check(self)?;
        super::augment::check(self)?;
        if data.validation_paths.is_empty() {
            let fraction = data.validation_fraction;
            let valid = fraction > 0.0 && fraction < 1.0;
            in_range(
                "data.validation_fraction",
                fraction,
                valid,
                "a number between 0 and 1",
            )?;
        }
        let given = [train.batch_size.is_some(), train.batch_tokens.is_some()];
        let found = format!(
            "given {} times",
            given.iter().filter(|&&given| given).count()
        );
        let one = given[0] != given[1];
        in_range(
            "train.batch_size or train.batch_tokens",
            found,
            one,
            "exactly one of the two",
        )?;
        if let Some(key) = self.model.of_attention() {
            let attends = self.model.architecture.attends();
            in_range(key, "given", attends, "nothing for a recurrent network")?;
        }
        let gpt = self.model.architecture.writes_on();
        let by_tokens = train.batch_tokens.is_some();
        in_range(
            "train.batch_tokens",
            by_tokens,
            !(gpt && by_tokens),
            "batch_size for a model of text",
        )?;
        self.check_data(gpt)
    }

    fn check_data(&self, gpt: bool) -> Result<(), RecipeError> {
        let (data, tokenizer) = (&self.data, &self.tokenizer);
        let sources = usize::from(!data.paths.is_empty()) + usize::from(data.embedded.is_some());
        let found = if sources == 0 { "nothing" } else { "both" };
        in_range(
            "data.paths or data.embedded",
            found,
            sources == 1,
            "one of them: give --data PATH, set data.paths, or data.embedded",
        )?;
        if let Some(embedded) = data.embedded {
            let (fitting, expected) = self.model.architecture.embedded();
            let fits = embedded == fitting;
            in_range("data.embedded", format!("{embedded:?}"), fits, expected)?;
            let enough = (100..=1_000_000).contains(&data.n_numbers);
            in_range(
                "data.n_numbers",
                data.n_numbers,
                enough,
                "from 100 to 1,000,000",
            )?;
        }
        let has_path = tokenizer.path.is_some() == (tokenizer.kind == TokenizerKind::File);
        let expected = "a path with kind = \"file\", and only then";
        in_range(
            "tokenizer.path",
            format!("{:?}", tokenizer.path),
            has_path,
            expected,
        )?;
        let characters = tokenizer.kind == TokenizerKind::Characters;
        let expected = "\"bpe\", \"words\" or \"file\" for a model with an encoder";
        in_range("tokenizer.kind", "characters", gpt || !characters, expected)?;
        let writes = !matches!(
            self.model.architecture,
            Architecture::Bert | Architecture::BertClassifier
        );
        let words = tokenizer.kind == TokenizerKind::Words;
        let expected = "\"bpe\", \"characters\" or \"file\" for a model that writes: \"words\" cannot restore a text";
        in_range("tokenizer.kind", "words", !(writes && words), expected)
    }
}

pub(super) fn in_range(
    field: &'static str,
    found: impl ToString,
    valid: bool,
    expected: &'static str,
) -> Result<(), RecipeError> {
    if valid {
        return Ok(());
    }
    let found = found.to_string();
    Err(RecipeError::Range {
        field,
        found,
        expected,
    })
}

fn apply_override(table: &mut Table, given: &str) -> Result<(), RecipeError> {
    let error = |reason: &str| RecipeError::Override {
        given: given.to_owned(),
        reason: reason.to_owned(),
    };
    let shape = "expected section.key=value, for example train.steps=200";
    let (key, value) = given.split_once('=').ok_or_else(|| error(shape))?;
    let (section, key) = key.trim().split_once('.').ok_or_else(|| error(shape))?;
    let entry = table
        .entry(section)
        .or_insert_with(|| Value::Table(Table::new()))
        .as_table_mut()
        .ok_or_else(|| error("the recipe has no such section"))?;
    let parsed = format!("value = {value}").parse::<Table>();
    let value = match parsed {
        Ok(mut table) => table
            .remove("value")
            .unwrap_or_else(|| Value::String(value.to_owned())),
        Err(_) => Value::String(value.trim().to_owned()),
    };
    entry.insert(key.to_owned(), value);
    Ok(())
}

/// Serde names the unknown key and all known ones; the nearest of them is what was meant.
fn with_nearest_key(message: &str) -> String {
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    let unknown = message.contains("unknown field") || message.contains("unknown variant");
    match quoted.split_first() {
        Some((found, known)) if unknown => {
            // Two letters the wrong way round are one mistake.
            let nearest = known
                .iter()
                .min_by_key(|key| strsim::osa_distance(found, key));
            match nearest {
                Some(nearest) => format!("{message}\n  did you mean `{nearest}`?"),
                None => message.to_owned(),
            }
        }
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECIPE: &str = "
        [model]
        architecture = 'gpt'
        d_model = 16
        n_heads = 2
        n_layers = 1
        max_positions = 8
        [data]
        embedded = 'cicero'
        [train]
        steps = 10
        batch_size = 2
    ";

    fn read(overrides: &[&str]) -> Result<Recipe, String> {
        let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
        Recipe::parse(RECIPE, Path::new("r.toml"), &overrides, &[])
            .map_err(|error| error.to_string())
    }

    #[test]
    fn overrides_replace_values_of_every_type() {
        let recipe = read(&[
            "train.lr=3e-4",
            "train.optimizer=sgd",
            "model.tied=false",
            "train.steps=7",
        ]);
        let recipe = recipe.expect("a recipe");
        assert_eq!(recipe.train.lr, 3e-4);
        assert_eq!(recipe.train.optimizer, crate::OptimizerKind::Sgd);
        assert!(!recipe.model.tied);
        assert_eq!(recipe.train.steps, 7);
    }

    #[test]
    fn what_is_written_is_read_back() {
        let recipe = read(&[]).expect("a recipe");
        let again =
            Recipe::parse(&recipe.to_toml(), Path::new("again"), &[], &[]).expect("its own text");
        assert_eq!(recipe, again);
    }

    #[test]
    fn bad_recipes_name_the_field_and_what_is_expected() {
        let cases: &[(&str, &[&str])] = &[
            (
                "train.stepz=5",
                &["r.toml", "stepz", "did you mean `steps`"],
            ),
            ("model.architecture=gtp", &["gtp", "did you mean `gpt`"]),
            ("train.steps='many'", &["invalid type", "many"]),
            ("train.steps=0", &["train.steps", "is 0", "at least 1"]),
            ("train.lr=-1.0", &["train.lr", "-1", "above 0"]),
            ("train.label_smoothing=1.5", &["label_smoothing", "1.5"]),
            ("model.n_heads=3", &["d_model 16", "n_heads 3"]),
            ("model.dropout=1.0", &["dropout", "below 1"]),
            ("train.batch_tokens=5", &["exactly one"]),
            (
                "data.embedded=number-words",
                &["data.embedded", "cicero for a model of text"],
            ),
            ("data.paths=['x.txt']", &["one of them"]),
            ("model.n_mels=40", &["model.n_mels", "only speech-to-text"]),
            (
                "train.ctc_weight=0.3",
                &["ctc_weight", "only speech-to-text"],
            ),
            ("train.accumulate=0", &["train.accumulate", "at least 1"]),
            ("train.replicas=0", &["train.replicas", "at least 1"]),
            (
                "train.keep_checkpoints=0",
                &["keep_checkpoints", "at least 1"],
            ),
            ("train.rho=1.0", &["train.rho", "below 1"]),
            ("train.logs=['tsv']", &["tsv", "did you mean `csv`"]),
            ("train.nesterov=true", &["train.nesterov", "only sgd"]),
            ("tokenizer.kind=file", &["tokenizer.path"]),
            ("steps=5", &["section.key=value"]),
            ("train.steps", &["section.key=value"]),
        ];
        for (given, expected) in cases {
            let message = read(&[given]).expect_err(given);
            for part in *expected {
                assert!(message.contains(part), "{given}: {message}");
            }
        }
    }
}
