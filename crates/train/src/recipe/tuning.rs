//! What a recipe says of a model that is there already, and of training less than all of a model.

use super::read::in_range;
use super::{
    Architecture, DataShape, ModelRecipe, Recipe, RecipeError, ScheduleKind, TokenizerKind,
};
use hearth_hub::{ModelConfig, read_config};
use hearth_model::{ConfigError, MaskedHeadConfig};
use serde_json::{Value, json};
use std::path::Path;

/// Fields of a stack that a recipe may have its own way: they change training, and nothing that was trained.
const FREE: [&str; 5] = [
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "layer_drop",
    // It follows from where norms stand, but in some models.
    "final_norm",
];

/// The tokenizer of a model directory.
const TOKENIZER: &str = "tokenizer.json";

pub(super) fn check(recipe: &Recipe) -> Result<(), RecipeError> {
    let train = &recipe.train;
    let share = |value: f64| value > 0.0 && value <= 1.0;
    let rate = (0.0..1.0).contains(&train.ema);
    in_range("train.ema", train.ema, rate, "at least 0 and below 1")?;
    let decay = train.layer_decay;
    in_range(
        "train.layer_decay",
        decay,
        share(decay),
        "above 0 and at most 1",
    )?;
    let factor = train.plateau_factor;
    let falls = factor > 0.0 && factor < 1.0;
    in_range(
        "train.plateau_factor",
        factor,
        falls,
        "a number between 0 and 1",
    )?;
    let waits = train.plateau_patience > 0 || train.schedule != ScheduleKind::Plateau;
    in_range(
        "train.plateau_patience",
        train.plateau_patience,
        waits,
        "at least 1",
    )?;
    let excepts = train.thaw.is_empty() || !train.freeze.is_empty() || recipe.lora.is_some();
    let expected = "nothing where train.freeze names nothing";
    in_range("train.thaw", format!("{:?}", train.thaw), excepts, expected)?;
    let Some(lora) = &recipe.lora else {
        return Ok(());
    };
    in_range("lora.rank", lora.rank, lora.rank > 0, "at least 1")?;
    let is_finite = lora.alpha > 0.0 && lora.alpha.is_finite();
    in_range("lora.alpha", lora.alpha, is_finite, "a number above 0")?;
    let targets = format!("{:?}", lora.targets);
    let expected = "names of matrices, such as query and value";
    in_range("lora.targets", targets, !lora.targets.is_empty(), expected)?;
    let expected = "1: adapters have one learning rate";
    in_range("train.layer_decay", decay, decay == 1.0, expected)
}

impl Recipe {
    /// Takes what is not given from the model that training begins with: its sizes and its tokenizer.
    pub(super) fn resolve(&mut self) -> Result<(), RecipeError> {
        let Some(path) = self.model.from.clone() else {
            return Ok(());
        };
        let config = read_config(&path).map_err(|error| RecipeError::Base {
            path: path.clone(),
            source: Box::new(error),
        })?;
        self.model.take_sizes(&config, &path)?;
        self.model.check_choices(&config, &path)?;
        self.model.base = Some(Box::new(config));
        let tokenizer = path.join(TOKENIZER);
        if self.tokenizer.path.is_none() && tokenizer.exists() {
            self.tokenizer.kind = TokenizerKind::File;
            self.tokenizer.path = Some(tokenizer);
        }
        Ok(())
    }
}

impl ModelRecipe {
    fn take_sizes(&mut self, config: &ModelConfig, path: &Path) -> Result<(), RecipeError> {
        let other = |field: &str, found: String, expected: String| RecipeError::OtherBase {
            field: field.to_owned(),
            found,
            path: path.to_owned(),
            expected,
        };
        let fits = match config {
            ModelConfig::Gpt(_) => {
                matches!(self.architecture, Architecture::Gpt | Architecture::Llama)
            }
            ModelConfig::RnnLm(_) => {
                matches!(self.architecture, Architecture::Lstm | Architecture::Gru)
            }
            ModelConfig::Transformer(_) => self.architecture == Architecture::Transformer,
            ModelConfig::RnnSeq2Seq(_) => self.architecture == Architecture::RnnSeq2Seq,
            ModelConfig::SpeechToText(_) => self.architecture == Architecture::SpeechToText,
            ModelConfig::Bert(_) => matches!(
                self.architecture,
                Architecture::Bert | Architecture::BertClassifier
            ),
            ModelConfig::Vit(_) => self.architecture == Architecture::Vit,
            ModelConfig::EncoderDecoder(_) => false,
        };
        if !fits {
            let found = format!("{:?}", self.architecture);
            return Err(other(
                "model.architecture",
                found,
                config.architecture().to_owned(),
            ));
        }
        let size = config.size();
        let sizes = [
            ("model.d_model", &mut self.d_model, size.d_model),
            ("model.n_heads", &mut self.n_heads, size.n_heads),
            ("model.n_layers", &mut self.n_layers, size.n_layers),
        ];
        for (field, found, expected) in sizes {
            if *found != 0 && *found != expected {
                return Err(other(field, found.to_string(), expected.to_string()));
            }
            *found = expected;
        }
        let is_image = self.architecture == Architecture::Vit;
        if let Some(longest) = config.n_positions().filter(|_| !is_image) {
            if self.max_positions > longest {
                let found = self.max_positions.to_string();
                return Err(other(
                    "model.max_positions",
                    found,
                    format!("at most {longest}"),
                ));
            }
            if self.max_positions == 0 {
                self.max_positions = longest;
            }
        }
        match config {
            ModelConfig::Vit(config) => {
                let image = config.patches.image;
                self.image = Some([image.n_channels, image.height, image.width]);
                self.patch = Some(config.patches.patch);
            }
            ModelConfig::SpeechToText(config) => {
                self.n_mels = Some(config.frames.n_mels);
                self.max_source_positions = Some(config.frames.max_positions);
            }
            _ => {}
        }
        Ok(())
    }

    /// Refuses choices of the recipe that are not those of the model; rates are the recipe's own.
    fn check_choices(&self, base: &ModelConfig, path: &Path) -> Result<(), RecipeError> {
        let other = |field: String, found: String, expected: String| RecipeError::OtherBase {
            field,
            found,
            path: path.to_owned(),
            expected,
        };
        for (name, stack) in base.stacks() {
            let [asked, there] =
                [self.stack(stack.clone()), stack.clone()].map(|stack| json!(stack));
            let fields = asked.as_object().into_iter().flatten();
            let differs = |(field, found): &(&String, &Value)| {
                !FREE.contains(&field.as_str()) && **found != there[field.as_str()]
            };
            if let Some((field, found)) = fields.into_iter().find(differs) {
                let expected = there[field.as_str()].to_string();
                return Err(other(
                    format!("model.{field} ({name})"),
                    found.to_string(),
                    expected,
                ));
            }
        }
        if let (ModelConfig::Bert(bert), Some(asked)) = (base, self.convolution)
            && bert.convolution != Some(asked)
        {
            let expected = bert.convolution.map_or("none".into(), |it| it.to_string());
            let field = "model.convolution".to_owned();
            return Err(other(field, asked.to_string(), expected));
        }
        let given = [
            ("model.initialisation", self.initialisation.is_some()),
            ("model.cell", self.cell.is_some()),
            ("model.attention", self.attention.is_some()),
            ("model.two_way", self.two_way.is_some()),
        ];
        match given.into_iter().find(|(_, is_given)| *is_given) {
            None => Ok(()),
            Some((field, _)) => Err(other(field.into(), "given".into(), "all of it".into())),
        }
    }

    /// A config with the rates of the recipe where it gives them.
    fn with_rates(&self, config: &ModelConfig) -> ModelConfig {
        fn set(config: &mut Value, name: &str, rate: f64) {
            for (field, value) in config.as_object_mut().into_iter().flatten() {
                match field == name {
                    true => *value = json!(rate),
                    false => set(value, name, rate),
                }
            }
        }
        let given = |rate: f64| Some(rate).filter(|&rate| rate > 0.0);
        let mut json = json!(config);
        for (name, rate) in [
            ("dropout", given(self.dropout)),
            (
                "attention_dropout",
                self.attention_dropout.or(given(self.dropout)),
            ),
            ("activation_dropout", given(self.activation_dropout)),
            ("layer_drop", given(self.layer_drop)),
        ] {
            if let Some(rate) = rate {
                set(&mut json, name, rate);
            }
        }
        serde_json::from_value(json).unwrap_or_else(|_| config.clone())
    }

    /// The config of the model that training begins with, for other data.
    pub(super) fn of_base(
        &self,
        base: &ModelConfig,
        data: DataShape,
    ) -> Result<ModelConfig, ConfigError> {
        let mut config = self.with_rates(base);
        match &mut config {
            ModelConfig::Bert(bert) if self.architecture == Architecture::BertClassifier => {
                bert.masked = None;
                bert.pooler = true;
                let pooling = self.pooling.unwrap_or(bert.pooling);
                *bert = bert.clone().pooled(pooling).classifier(data.n_classes);
            }
            ModelConfig::Bert(bert) => {
                let masked = bert.masked.take();
                *bert = bert.clone().masked_lm();
                bert.masked = masked.or(Some(MaskedHeadConfig { tied: self.tied }));
            }
            ModelConfig::Vit(vit) => vit.classes.n_classes = data.n_classes,
            _ => {}
        }
        if let Some(vocab) = config.vocab().filter(|&vocab| vocab < data.vocab) {
            return Err(ConfigError::Vocab {
                found: vocab,
                needed: data.vocab,
            });
        }
        config.validate()?;
        Ok(config)
    }
}
