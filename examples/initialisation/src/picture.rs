//! The picture: what was learnt at which depth, with and without warm-up, and the gradients that explain it.

use crate::setting::Scheme;
use crate::study::Study;
use hearth::model::NormPlacement;
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::path::Path;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn<T = ()> = Result<T, Box<dyn std::error::Error>>;

/// Readable on white and told apart by the colour-blind. Okabe and Ito 2008.
const LEARNT: RGBColor = RGBColor(0, 114, 178);
const FAILED: RGBColor = RGBColor(213, 94, 0);
const SCHEME_COLORS: [RGBColor; 4] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(204, 121, 167),
    RGBColor(0, 158, 115),
];
const TEXT: RGBColor = RGBColor(30, 30, 30);

const CELL: (i32, i32) = (58, 34);
const LABELS: i32 = 150;
/// The least that the words above and below take.
const NOTE_WIDTH: i32 = 400;
const TOP: i32 = 74;
const GAP: i32 = 20;
const CHART: (u32, u32) = (520, 400);

pub(crate) fn draw(study: &Study, path: &Path) -> anyhow::Result<()> {
    draw_all(study, path)
        .map_err(|error| anyhow::anyhow!("cannot write {}: {error}", path.display()))
}

fn draw_all(study: &Study, path: &Path) -> Drawn {
    let grid = &study.grid;
    let map_width = CELL.0 * grid.depths.len() as i32;
    let maps = LABELS + (map_width + GAP) * grid.warmups.len() as i32 + GAP;
    let maps = maps.max(NOTE_WIDTH);
    let height = CHART
        .1
        .max((TOP + CELL.1 * grid.schemes.len() as i32 + 40) as u32);
    let root = SVGBackend::new(path, (maps as u32 + CHART.0, height)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = root.split_horizontally(maps);
    let title = "Loss on held out text (nats a character)";
    left.draw_text(title, &font(17.0, HPos::Left), (GAP, 22))?;
    for (row, scheme) in grid.schemes.iter().enumerate() {
        let y = TOP + CELL.1 * row as i32 + CELL.1 / 2;
        left.draw_text(scheme.name, &font(14.0, HPos::Right), (LABELS - 8, y))?;
    }
    for (i, &warmup) in grid.warmups.iter().enumerate() {
        let x = LABELS + (map_width + GAP) * i as i32;
        draw_map(&left, study, warmup, x)?;
    }
    let note = format!(
        "Knowing only how often each character is costs {:.2}.",
        study.unigram
    );
    let y = TOP + CELL.1 * grid.schemes.len() as i32 + 20;
    left.draw_text(&note, &font(13.0, HPos::Left), (GAP, y))?;
    draw_gradients(&right, study)?;
    root.present()?;
    Ok(())
}

/// A square for each scheme and depth.
fn draw_map(area: &Area<'_>, study: &Study, warmup: u64, x: i32) -> Drawn {
    let heading = match warmup {
        0 => "no warm-up".to_owned(),
        steps => format!("warm-up of {steps} steps"),
    };
    area.draw_text(&heading, &font(14.0, HPos::Left), (x, 46))?;
    let best = study
        .trained
        .iter()
        .filter_map(|trained| trained.loss)
        .fold(study.unigram, f64::min);
    for (column, &n_layers) in study.grid.depths.iter().enumerate() {
        let left = x + CELL.0 * column as i32;
        let middle = left + CELL.0 / 2;
        let depth = if column == 0 {
            format!("{n_layers} layers")
        } else {
            n_layers.to_string()
        };
        area.draw_text(&depth, &font(13.0, HPos::Center), (middle, TOP - 10))?;
        for (row, scheme) in study.grid.schemes.iter().enumerate() {
            let top = TOP + CELL.1 * row as i32;
            let loss = study.loss(scheme, n_layers, warmup);
            let place = loss.map_or(1.0, |loss| (loss - best) / (study.unigram - best).max(1e-9));
            let square = [(left + 1, top + 1), (left + CELL.0 - 1, top + CELL.1 - 1)];
            area.draw(&Rectangle::new(square, color(place).filled()))?;
            let shown = loss.map_or("not finite".to_owned(), |loss| format!("{loss:.2}"));
            let size = if loss.is_some() { 14.0 } else { 10.0 };
            area.draw_text(
                &shown,
                &font(size, HPos::Center),
                (middle, top + CELL.1 / 2),
            )?;
        }
    }
    Ok(())
}

/// A line for each scheme, norms behind branches thick.
fn draw_gradients(area: &Area<'_>, study: &Study) -> Drawn {
    let lines = study.grid.schemes.iter();
    let lines: Vec<_> = lines
        .map(|scheme| (scheme, study.gradients(scheme)))
        .collect();
    let all = || lines.iter().flat_map(|(_, points)| points.iter().copied());
    let depth = all().map(|point| point.0).fold(1.0, f64::max);
    let (low, high) = all().fold((f64::INFINITY, 0.0), |(low, high), (_, norm)| {
        (norm.min(low), norm.max(high))
    });
    let title = format!("Gradients of {depth} layers before the first step");
    let mut chart = ChartBuilder::on(area)
        .caption(title, font(17.0, HPos::Left))
        .margin(10)
        .margin_right(20)
        .x_label_area_size(40)
        .y_label_area_size(60)
        .build_cartesian_2d(1.0..depth, (low / 2.0..high * 2.0).log_scale())?;
    chart
        .configure_mesh()
        .x_desc("layer")
        .x_label_formatter(&|layer| format!("{layer:.0}"))
        .y_desc("norm")
        .y_label_formatter(&|norm| format!("{norm:.0e}"))
        .label_style(("sans-serif", 14))
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .draw()?;
    for (scheme, points) in lines {
        let style = line_style(scheme);
        chart
            .draw_series(LineSeries::new(points, style))?
            .label(scheme.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 22, y)], style));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.85))
        .border_style(BLACK.mix(0.2))
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}

fn line_style(scheme: &Scheme) -> ShapeStyle {
    let color = SCHEME_COLORS[scheme.initialisation as usize % SCHEME_COLORS.len()];
    color.stroke_width(if scheme.norm == NormPlacement::After {
        3
    } else {
        1
    })
}

/// From what was learnt best (0), over white, to nothing learnt (1).
fn color(place: f64) -> RGBColor {
    let (end, share) = if place < 0.5 {
        (LEARNT, 1.0 - 2.0 * place)
    } else {
        (FAILED, 2.0 * place - 1.0)
    };
    // Light enough for the number that stands upon it.
    let share = 0.75 * share.clamp(0.0, 1.0);
    let mix = |part: u8| (255.0 + (f64::from(part) - 255.0) * share).round() as u8;
    RGBColor(mix(end.0), mix(end.1), mix(end.2))
}

fn font(size: f64, h: HPos) -> TextStyle<'static> {
    // plotters divides the size that it is given by this factor.
    TextStyle::from(("sans-serif", size * 1.24).into_font())
        .color(&TEXT)
        .pos(Pos::new(h, VPos::Center))
}
