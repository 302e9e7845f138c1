//! The picture: how much is remembered, and how much of the gradient goes back, against distance.

use crate::Line;
use crate::model::{KINDS, Kind};
use crate::task::N_SYMBOLS;
use plotters::coord::Shift;
use plotters::prelude::*;
use std::ops::Range;
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn std::error::Error>>;

/// Readable on white and told apart by the colour-blind. Okabe and Ito 2008.
const COLORS: [RGBColor; 6] = [
    RGBColor(230, 159, 0),
    RGBColor(213, 94, 0),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
];

/// What is smaller is drawn as this.
const SMALLEST: f64 = 1e-12;

pub(crate) fn draw(lines: &[Line], path: &Path) -> anyhow::Result<()> {
    draw_all(lines, path)
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
}

fn draw_all(lines: &[Line], path: &Path) -> Drawn {
    let root = SVGBackend::new(path, (1100, 430)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(550);
    let accuracy = Chart {
        title: format!(
            "Right answers; guessing gives {} %",
            100.0 / N_SYMBOLS as f64
        ),
        unit: "per cent",
        lines,
        value: |line| 100.0 * line.accuracy,
        has_legend: false,
    };
    accuracy.draw(&left, 0.0..103.0, &|value| format!("{value:.0}"))?;
    let gradient = Chart {
        title: "Gradient that reaches the symbol before the first step".to_owned(),
        unit: "norm",
        lines,
        value: |line| line.gradient.max(SMALLEST).log10(),
        has_legend: true,
    };
    let highest = lines.iter().map(gradient.value).fold(0.0, f64::max);
    let range = SMALLEST.log10()..highest + 0.5;
    gradient.draw(&right, range, &|value| format!("1e{value:.0}"))?;
    root.present()?;
    Ok(())
}

/// A line a model: the mean over its seeds, against distance.
struct Chart<'a> {
    title: String,
    unit: &'static str,
    lines: &'a [Line],
    value: fn(&Line) -> f64,
    /// One legend serves both charts.
    has_legend: bool,
}

impl Chart<'_> {
    fn draw(&self, area: &Area<'_>, y: Range<f64>, label: &dyn Fn(&f64) -> String) -> Drawn {
        let distances = self.lines.iter().map(|line| line.distance as f64);
        let (low, high) = distances.fold((f64::INFINITY, 1.0), |(low, high), distance| {
            (distance.min(low), distance.max(high))
        });
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 20))
            .margin(12)
            .margin_right(24)
            .x_label_area_size(42)
            .y_label_area_size(60)
            .build_cartesian_2d(
                (low..high * 1.02)
                    .log_scale()
                    .with_key_points(self.distances()),
                y,
            )?;
        chart
            .configure_mesh()
            .x_desc("tokens between the symbol and the question")
            .x_label_formatter(&|distance| format!("{distance:.0}"))
            .y_desc(self.unit)
            .y_label_formatter(label)
            .label_style(("sans-serif", 15))
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .draw()?;
        for (kind, color) in KINDS.iter().zip(COLORS) {
            let points = self.points(kind);
            let style = color.stroke_width(3);
            chart
                .draw_series(LineSeries::new(points.iter().copied(), style))?
                .label(kind.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
            chart.draw_series(
                points
                    .into_iter()
                    .map(|point| Circle::new(point, 4, color.filled())),
            )?;
        }
        if self.has_legend {
            chart
                .configure_series_labels()
                .position(SeriesLabelPosition::LowerLeft)
                .background_style(WHITE.mix(0.85))
                .border_style(BLACK.mix(0.2))
                .label_font(("sans-serif", 14))
                .draw()?;
        }
        Ok(())
    }

    fn distances(&self) -> Vec<f64> {
        let mut distances: Vec<f64> = self.lines.iter().map(|line| line.distance as f64).collect();
        distances.dedup();
        distances
    }

    fn points(&self, kind: &Kind) -> Vec<(f64, f64)> {
        let mean = |distance: f64| {
            let here = |line: &&Line| line.model == kind.name && line.distance as f64 == distance;
            let values: Vec<f64> = self.lines.iter().filter(here).map(self.value).collect();
            values.iter().sum::<f64>() / values.len().max(1) as f64
        };
        self.distances()
            .into_iter()
            .map(|distance| (distance, mean(distance)))
            .collect()
    }
}
