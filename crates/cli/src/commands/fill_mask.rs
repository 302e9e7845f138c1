//! `fill-mask`: a line with masks in, the line with the likeliest tokens in their places out.

use super::loaded::open_in;
use super::reading::Reader;
use crate::Context;
use crate::arguments::FillMask;
use crate::error::CliError;
use crate::platform::Platform;
use hearth_data::TokenId;
use hearth_infer::{MaskGuesses, fill_mask};
use serde_json::{Value, json};

/// How tokenizers write the token that masks: BERT's, and RoBERTa's.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

pub(crate) fn run<P: Platform>(options: &FillMask, context: &Context<P>) -> Result<(), CliError> {
    let loaded = open_in(&options.model, options.precision.get(), context)?;
    let reader = Reader::<P>::new(&loaded, "fill-mask")?;
    if !reader.model.guesses_tokens() {
        return Err(loaded.wrong_model("fill-mask", "a head that guesses masked tokens"));
    }
    let mask = MASKS.iter().find_map(|mask| reader.tokenizer.id(mask));
    let mask = mask.ok_or_else(|| CliError::NoTokenizer {
        path: loaded.path().to_owned(),
        what: "a tokenizer with the token [MASK] is needed",
    })?;
    let ids = (reader.pad, mask);
    reader.each_line(
        &options.lines,
        context,
        |texts| {
            let found = fill_mask(reader.model, texts, ids, options.top, &context.device)?;
            Ok(found.unwrap_or_default())
        },
        |ids, found| {
            let word = |id: TokenId| reader.tokenizer.decode_with_special(&[id]);
            let mut filled = ids.to_vec();
            let (mut masks, mut shown) = (Vec::new(), Vec::new());
            for MaskGuesses { position, guesses } in found {
                let mut listed: Vec<Value> = Vec::new();
                let mut words = Vec::new();
                for guess in &guesses {
                    let (token, probability) = (word(guess.id)?, guess.probability);
                    words.push(format!("{} {:.1} %", token.trim(), 100.0 * probability));
                    listed.push(
                        json!({ "token": token, "id": guess.id, "probability": probability }),
                    );
                }
                if let Some(best) = guesses.first() {
                    filled[position] = best.id;
                }
                masks.push(json!({ "position": position, "guesses": listed }));
                shown.push(words.join(", "));
            }
            let text = reader.tokenizer.decode(&filled)?;
            let line = [std::slice::from_ref(&text), shown.as_slice()]
                .concat()
                .join("\t");
            let result = json!({ "text": text, "masks": masks });
            context.console.result(&result, line)
        },
    )
}
