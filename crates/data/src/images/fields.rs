//! Sizes and filters, as a `preprocessor_config.json` writes them.

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The size of an image in pixels. A file may give one number for a square.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value")]
pub struct ImageSize {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// How an image is resized. In a file it has PIL's number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "u8")]
pub enum Resample {
    /// PIL's 2: a triangle.
    Bilinear,
    /// PIL's 3: a cubic spline that overshoots a little.
    Bicubic,
}

impl ImageSize {
    /// The most pixels a side that an image is resized to.
    pub const MAX_SIDE: usize = 4096;
}

impl TryFrom<Value> for ImageSize {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        let side = |value: &Value| Some(usize::try_from(value.as_u64()?).unwrap_or(usize::MAX));
        let sides = match &value {
            Value::Object(sides) if sides.len() == 2 => {
                let sides = ["height", "width"].map(|name| side(sides.get(name)?));
                sides[0].zip(sides[1])
            }
            value => side(value).map(|side| (side, side)),
        };
        let (height, width) = sides.ok_or_else(|| {
            format!("found the size {value}, expected one whole number or {{\"height\": …, \"width\": …}}")
        })?;
        Ok(Self { height, width })
    }
}

impl TryFrom<Value> for Resample {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match value.as_u64() {
            Some(2) => Ok(Self::Bilinear),
            Some(3) => Ok(Self::Bicubic),
            _ => Err(format!(
                "found the filter {value}, expected 2 (bilinear) or 3 (bicubic)"
            )),
        }
    }
}

impl From<Resample> for u8 {
    fn from(resample: Resample) -> Self {
        match resample {
            Resample::Bilinear => 2,
            Resample::Bicubic => 3,
        }
    }
}
