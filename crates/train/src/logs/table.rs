//! `metrics.csv`: a row for each line of `metrics.jsonl`, a column for each of its keys.

use crate::metrics::Metric;

pub(super) const NAME: &str = "metrics.csv";

/// The keys of a metric, in its order.
const COLUMNS: [&str; 11] = [
    "step",
    "split",
    "loss",
    "lr",
    "gradient_norm",
    "tokens_per_s",
    "skipped",
    "perplexity",
    "accuracy",
    "seconds",
    "time",
];

pub(super) fn head() -> String {
    COLUMNS.join(",") + "\n"
}

/// What a line does not say is empty. Numbers and the names of splits need no quotes.
pub(super) fn row(metric: &Metric) -> String {
    let line = serde_json::to_value(metric).unwrap_or_default();
    let cell = |column| match &line[column] {
        serde_json::Value::Null => String::new(),
        serde_json::Value::String(text) => text.clone(),
        number => number.to_string(),
    };
    COLUMNS.map(cell).join(",") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::Split;

    #[test]
    fn every_key_of_a_metric_has_a_column_and_what_is_not_said_is_empty() {
        let mut metric = Metric {
            step: 20,
            split: Split::Train,
            loss: 1.25,
            lr: Some(1e-3),
            gradient_norm: Some(0.5),
            tokens_per_s: Some(100.0),
            skipped: Some(2),
            perplexity: Some(3.5),
            accuracy: Some(0.75),
            seconds: 4.0,
            time: Some(1_700_000_000.5),
        };
        let keys = serde_json::to_value(&metric).expect("an object");
        let keys = keys.as_object().expect("an object").keys();
        assert!(keys.eq(COLUMNS), "{COLUMNS:?}");
        let whole = "20,train,1.25,0.001,0.5,100.0,2,3.5,0.75,4.0,1700000000.5\n";
        assert_eq!(row(&metric), whole);
        (metric.split, metric.lr, metric.skipped) = (Split::Validation, None, None);
        let sparse = "20,validation,1.25,,0.5,100.0,,3.5,0.75,4.0,1700000000.5\n";
        assert_eq!(row(&metric), sparse);
    }
}
