//! Loss curves as a picture.

use crate::error::TrainError;
use crate::metrics::{self, Metric, Split, read_metrics};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// One line of the chart.
struct Curve {
    label: String,
    points: Vec<(f64, f64)>,
    color: RGBColor,
    wide: bool,
}

/// Readable on white and told apart by the colour-blind. Okabe and Ito 2008.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
    RGBColor(60, 60, 60),
];

/// Draws the losses of one or several run folders into an SVG: training thin, validation thick.
///
/// # Errors
/// If a run has no readable metrics or the picture cannot be written.
pub fn plot_losses(runs: &[PathBuf], output: &Path) -> Result<(), TrainError> {
    let (mut curves, mut units) = (Vec::new(), BTreeSet::new());
    let named = runs.iter().zip(names(runs));
    for ((run, name), &color) in named.zip(COLORS.iter().cycle()) {
        let path = run.join(metrics::NAME);
        let metrics = read_metrics(&path)?;
        units.extend(unit(&metrics));
        let label = |kind: &str| {
            if runs.len() > 1 {
                format!("{name}, {kind}")
            } else {
                kind.to_owned()
            }
        };
        let before = curves.len();
        for (split, kind, wide) in [
            (Split::Train, "training", false),
            (Split::Validation, "validation", true),
        ] {
            let points = points(&metrics, split);
            if !points.is_empty() {
                // A run alone shows its two curves in two colours.
                let color = if runs.len() == 1 && wide {
                    COLORS[1]
                } else {
                    color
                };
                curves.push(Curve {
                    label: label(kind),
                    points,
                    color,
                    wide,
                });
            }
        }
        if curves.len() == before {
            return Err(TrainError::NoMetrics { path });
        }
    }
    let units = Vec::from_iter(units).join(" or ");
    draw(&curves, format!("nats {units}").trim_end(), output).map_err(|error| TrainError::Plot {
        path: output.to_owned(),
        reason: error.to_string(),
    })
}

/// What runs are called: as their folders, or by their whole paths where two would be called the same.
fn names(runs: &[PathBuf]) -> Vec<String> {
    let short = |run: &PathBuf| Some(run.file_name()?.to_string_lossy().into_owned());
    let name = |run: &PathBuf| {
        let is_taken = runs
            .iter()
            .filter(|other| short(other) == short(run))
            .count()
            > 1;
        let own = short(run).filter(|_| !is_taken);
        own.unwrap_or_else(|| run.display().to_string())
    };
    runs.iter().map(name).collect()
}

fn points(metrics: &[Metric], split: Split) -> Vec<(f64, f64)> {
    metrics
        .iter()
        .filter(|metric| metric.split == split && metric.loss.is_finite())
        .map(|metric| (metric.step as f64, metric.loss))
        .collect()
}

/// What a loss is the mean over, which the first validation tells: of classes it has an accuracy.
fn unit(metrics: &[Metric]) -> Option<&'static str> {
    let mut validations = metrics
        .iter()
        .filter(|metric| metric.split == Split::Validation);
    let first = validations.next()?;
    Some(match first.accuracy {
        Some(_) => "an example",
        None => "a token",
    })
}

fn draw(curves: &[Curve], units: &str, output: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let all = || curves.iter().flat_map(|curve| curve.points.iter());
    let last_step = all().map(|point| point.0).fold(1.0, f64::max);
    let (low, high) = all().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), point| {
        (low.min(point.1), high.max(point.1))
    });
    let margin = ((high - low) * 0.05).max(0.01);
    let root = SVGBackend::new(output, (860, 520)).into_drawing_area();
    root.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&root)
        .margin(18)
        .margin_right(34)
        .x_label_area_size(46)
        .y_label_area_size(64)
        .build_cartesian_2d(0.0..last_step, (low - margin).max(0.0)..high + margin)?;
    chart
        .configure_mesh()
        .x_desc("step")
        .x_label_formatter(&|step| format!("{step:.0}"))
        .y_desc(format!("loss ({units})"))
        .label_style(("sans-serif", 15))
        .axis_desc_style(("sans-serif", 17))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for curve in curves {
        draw_curve(&mut chart, curve)?;
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 15))
        .draw()?;
    root.present()?;
    Ok(())
}

type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

fn draw_curve(chart: &mut Chart<'_>, curve: &Curve) -> Result<(), Box<dyn std::error::Error>> {
    let (opacity, width) = if curve.wide { (1.0, 3) } else { (0.65, 1) };
    let style = curve.color.mix(opacity).stroke_width(width);
    let last = curve.points.last().map_or(f64::NAN, |point| point.1);
    chart
        .draw_series(LineSeries::new(curve.points.iter().copied(), style))?
        .label(format!("{}: {last:.3}", curve.label))
        .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
    if curve.wide {
        let color = curve.color;
        chart.draw_series(
            curve
                .points
                .iter()
                .map(|&point| Circle::new(point, 3, color.filled())),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_has_both_curves_and_says_where_they_end() {
        let folder = tempfile::tempdir().expect("a folder");
        let lines: String = (1..20)
            .map(|step| {
                let split = if step % 5 == 0 { "validation" } else { "train" };
                format!(
                    "{{\"step\":{step},\"split\":\"{split}\",\"loss\":{},\"seconds\":1.0}}\n",
                    4.0 / f64::from(step)
                )
            })
            .collect();
        std::fs::write(folder.path().join("metrics.jsonl"), lines).expect("metrics");
        let picture = folder.path().join("loss.svg");
        plot_losses(&[folder.path().to_owned()], &picture).expect("a picture");
        let svg = std::fs::read_to_string(picture).expect("a picture");
        for text in [
            "training: 0.211",
            "validation: 0.267",
            "loss (nats a token)",
            "polyline",
        ] {
            assert!(svg.contains(text), "{text}");
        }
    }

    #[test]
    fn a_loss_of_classes_is_no_loss_of_tokens() {
        let folder = tempfile::tempdir().expect("a folder");
        let (runs, output) = (
            ["a", "b"].map(|name| folder.path().join(name)),
            folder.path().join("x.svg"),
        );
        for (run, accuracy) in runs.iter().zip(["", ",\"accuracy\":0.5"]) {
            let line = |split, more| {
                format!("{{\"step\":5,\"split\":\"{split}\",\"loss\":1.5,\"seconds\":1.0{more}}}\n")
            };
            std::fs::create_dir(run).expect("a folder");
            let lines = line("train", "") + &line("validation", accuracy);
            std::fs::write(run.join(metrics::NAME), lines).expect("a file");
        }
        let unit = |runs: &[PathBuf]| {
            plot_losses(runs, &output).expect("a picture");
            let svg = std::fs::read_to_string(&output).expect("a file");
            let unit = svg.split("loss (nats ").nth(1).expect("a unit");
            unit.split(')').next().expect("an end").to_owned()
        };
        assert_eq!(unit(&runs[..1]), "a token");
        assert_eq!(unit(&runs[1..]), "an example");
        assert_eq!(unit(&runs), "a token or an example");
    }

    #[test]
    fn runs_are_called_as_their_folders_and_by_their_paths_where_that_is_not_enough() {
        let named = |runs: [&str; 3]| names(&runs.map(PathBuf::from));
        assert_eq!(named(["runs/a", "b/", "."]), ["a", "b", "."]);
        assert_eq!(named(["x/a", "y/a", "y/b"]), ["x/a", "y/a", "b"]);
    }

    #[test]
    fn a_run_without_a_loss_is_named() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("metrics.jsonl"), "").expect("a file");
        let error = plot_losses(&[folder.path().to_owned()], &folder.path().join("x.svg"))
            .expect_err("nothing");
        assert!(error.to_string().contains("holds no loss"), "{error}");
    }
}
