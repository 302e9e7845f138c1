//! A matrix of weights as a picture: a square for each, the darker the more.

use hearth_data::ConfusionMatrix;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use std::io;

/// Rows of weights with a label for each row and each column.
#[derive(Debug)]
pub struct HeatMap {
    /// What is seen.
    pub title: String,
    /// A line below the title for each.
    pub notes: Vec<String>,
    /// The label of each row.
    pub rows: Vec<String>,
    /// The label of each column.
    pub columns: Vec<String>,
    /// Row by row, none below 0.
    pub weights: Vec<f32>,
    /// How weights become colours.
    pub shading: Shading,
}

/// How dark a weight is, beside the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shading {
    /// In proportion.
    Linear,
    /// By its square root: where some rows have few columns to share and others many, the latter are seen too.
    SquareRoot,
}

impl Shading {
    /// The place of a part of the highest weight on the scale, from 0 to 1.
    fn place(self, part: f64) -> f64 {
        match self {
            Self::Linear => part,
            Self::SquareRoot => part.max(0.0).sqrt(),
        }
    }

    /// The part of the highest weight that stands in the middle of the scale.
    fn middle(self) -> f32 {
        match self {
            Self::Linear => 0.5,
            Self::SquareRoot => 0.25,
        }
    }
}

/// From nothing to all: one hue that only gets darker, which every eye and every printer tells apart. The middle ones are
/// blues of Okabe and Ito 2008.
const RAMP: [RGBColor; 4] = [
    RGBColor(255, 255, 255),
    RGBColor(86, 180, 233),
    RGBColor(0, 114, 178),
    RGBColor(0, 30, 70),
];
const GRID: RGBColor = RGBColor(222, 222, 222);
const TEXT: RGBColor = RGBColor(30, 30, 30);

const MARGIN: i32 = 20;
const GAP: i32 = 6;
const TITLE: f64 = 17.0;
const NOTE: f64 = 13.0;

/// What the squares of all the columns, or of all the rows, fill at most, and what one of them does at least and at most.
const MAP: i32 = 800;
const CELL: (i32, i32) = (11, 28);

/// The scale of colours beside the map.
const SCALE_WIDTH: i32 = 14;
const SCALE_STEPS: i32 = 40;

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;
type Drawn = Result<(), DrawingAreaErrorKind<io::Error>>;

/// Where everything stands, in pixels.
struct Layout {
    /// The side of a square, with the line of the grid behind it.
    cell: i32,
    /// The height of the letters of a label.
    font: f64,
    /// The corner of the map.
    left: i32,
    top: i32,
    size: (u32, u32),
}

impl HeatMap {
    /// Which classes are taken for which: a row for each class, a column for each it is taken for.
    pub fn confusion(names: &[String], matrix: &ConfusionMatrix) -> Self {
        let part = |row: &Vec<usize>| {
            let sum = row.iter().sum::<usize>().max(1) as f32;
            row.iter().map(move |n| *n as f32 / sum).collect::<Vec<_>>()
        };
        Self {
            title: format!("confusion of {} classes", names.len()),
            notes: vec![
                format!(
                    "accuracy {:.2} % of {}",
                    100.0 * matrix.accuracy(),
                    matrix.n()
                ),
                "each row: what things of that class are taken for, in parts of the row".to_owned(),
            ],
            rows: names.to_vec(),
            columns: names.to_vec(),
            weights: matrix.counts().iter().flat_map(part).collect(),
            // A class that is seldom taken for another is what one looks for.
            shading: Shading::SquareRoot,
        }
    }

    /// The picture as SVG.
    ///
    /// # Errors
    /// If the drawing library fails.
    pub fn svg(&self) -> io::Result<String> {
        let mut svg = String::new();
        let drawn = self.draw(&mut svg);
        drawn.map_err(|error| io::Error::other(error.to_string()))?;
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Drawn {
        let layout = self.layout();
        let root = SVGBackend::with_string(svg, layout.size).into_drawing_area();
        root.fill(&WHITE)?;
        self.draw_words(&root, &layout)?;
        self.draw_cells(&root, &layout)?;
        self.draw_scale(&root, &layout)?;
        root.present()
    }

    fn layout(&self) -> Layout {
        let n = self.rows.len().max(self.columns.len()).max(1);
        let cell = (MAP / n as i32).clamp(CELL.0, CELL.1);
        let font = (f64::from(cell) * 0.75).min(13.0);
        let widest = |labels: &[String]| labels.iter().map(|label| width(label, font)).max();
        let left = MARGIN + widest(&self.rows).unwrap_or(0) + GAP;
        let top = MARGIN + self.heading() + widest(&self.columns).unwrap_or(0) + GAP;
        let scale = 4 * GAP + SCALE_WIDTH + GAP + width("0.000", NOTE);
        let notes = self.notes.iter().map(|note| width(note, NOTE));
        let heading = notes.max().unwrap_or(0).max(width(&self.title, TITLE));
        let right = (left + cell * self.columns.len() as i32 + scale).max(MARGIN + heading);
        let bottom = top + (cell * self.rows.len() as i32).max(SCALE_STEPS);
        let bottom = bottom + NOTE as i32;
        Layout {
            cell,
            font,
            left,
            top,
            size: ((right + MARGIN) as u32, (bottom + MARGIN) as u32),
        }
    }

    /// The height of title and notes, with the space below them.
    fn heading(&self) -> i32 {
        (TITLE * 1.5 + NOTE * 1.4 * self.notes.len() as f64) as i32 + 2 * GAP
    }

    fn draw_words(&self, root: &Area<'_>, layout: &Layout) -> Drawn {
        let mut y = MARGIN;
        let at = |h, v| Pos::new(h, v);
        root.draw_text(
            &self.title,
            &style(TITLE).pos(at(HPos::Left, VPos::Top)),
            (MARGIN, y),
        )?;
        y += (TITLE * 1.5) as i32;
        for note in &self.notes {
            root.draw_text(
                note,
                &style(NOTE).pos(at(HPos::Left, VPos::Top)),
                (MARGIN, y),
            )?;
            y += (NOTE * 1.4) as i32;
        }
        let middle = |i: usize| layout.cell * i as i32 + layout.cell / 2;
        let across = style(layout.font).pos(at(HPos::Right, VPos::Center));
        for (i, label) in self.rows.iter().enumerate() {
            root.draw_text(label, &across, (layout.left - GAP, layout.top + middle(i)))?;
        }
        let upwards = style(layout.font)
            .transform(FontTransform::Rotate270)
            .pos(at(HPos::Left, VPos::Center));
        for (i, label) in self.columns.iter().enumerate() {
            root.draw_text(label, &upwards, (layout.left + middle(i), layout.top - GAP))?;
        }
        Ok(())
    }

    fn draw_cells(&self, root: &Area<'_>, layout: &Layout) -> Drawn {
        let (left, top, cell) = (layout.left, layout.top, layout.cell);
        let (n_rows, n_columns) = (self.rows.len() as i32, self.columns.len() as i32);
        // What of it the squares leave free is the grid.
        let corner = (left + cell * n_columns, top + cell * n_rows);
        root.draw(&Rectangle::new(
            [(left - 1, top - 1), corner],
            GRID.filled(),
        ))?;
        let highest = self.highest();
        for (row, weights) in self.weights.chunks(self.columns.len().max(1)).enumerate() {
            for (column, weight) in weights.iter().enumerate() {
                let (x, y) = (left + cell * column as i32, top + cell * row as i32);
                let square = [(x, y), (x + cell - 1, y + cell - 1)];
                let color = color(self.shading.place(f64::from(weight / highest)));
                root.draw(&Rectangle::new(square, color.filled()))?;
            }
        }
        Ok(())
    }

    /// The colours from the highest weight down to 0.
    fn draw_scale(&self, root: &Area<'_>, layout: &Layout) -> Drawn {
        let left = layout.left + layout.cell * self.columns.len() as i32 + 4 * GAP;
        let height = (layout.cell * self.rows.len() as i32).clamp(SCALE_STEPS, 5 * SCALE_STEPS);
        let step = height / SCALE_STEPS;
        let right = left + SCALE_WIDTH;
        let bottom = layout.top + step * SCALE_STEPS;
        root.draw(&Rectangle::new(
            [(left - 1, layout.top - 1), (right + 1, bottom + 1)],
            GRID.filled(),
        ))?;
        for i in 0..SCALE_STEPS {
            let y = layout.top + step * i;
            let part = 1.0 - f64::from(i) / f64::from(SCALE_STEPS - 1);
            root.draw(&Rectangle::new(
                [(left, y), (right, y + step)],
                color(part).filled(),
            ))?;
        }
        let label = style(NOTE).pos(Pos::new(HPos::Left, VPos::Center));
        let highest = self.highest();
        let middle = (highest * self.shading.middle(), (layout.top + bottom) / 2);
        for (weight, y) in [(highest, layout.top), middle, (0.0, bottom)] {
            root.draw_text(&format!("{weight:.2}"), &label, (right + GAP, y))?;
        }
        Ok(())
    }

    fn highest(&self) -> f32 {
        let highest = self.weights.iter().copied().fold(0.0, f32::max);
        if highest > 0.0 { highest } else { 1.0 }
    }
}

/// The color of a place on the scale.
fn color(place: f64) -> RGBColor {
    let place = place.clamp(0.0, 1.0) * (RAMP.len() - 1) as f64;
    let i = (place as usize).min(RAMP.len() - 2);
    let share = place - i as f64;
    let mix = |a: u8, b: u8| (f64::from(a) + (f64::from(b) - f64::from(a)) * share).round() as u8;
    let (RGBColor(r, g, b), RGBColor(r2, g2, b2)) = (RAMP[i], RAMP[i + 1]);
    RGBColor(mix(r, r2), mix(g, g2), mix(b, b2))
}

/// Letters of this height in pixels. plotters divides what it is given by this factor.
fn style(font: f64) -> TextStyle<'static> {
    TextStyle::from(("sans-serif", font * 1.24).into_font()).color(&TEXT)
}

/// About how many pixels a text takes: an SVG does not know its reader's fonts.
fn width(text: &str, font: f64) -> i32 {
    let of = |c: char| match c {
        'i' | 'j' | 'l' | 'I' | 't' | 'f' | 'r' | '.' | ',' | '\'' | ' ' | '·' => 0.4,
        'm' | 'w' | 'M' | 'W' | '…' | '%' => 1.0,
        c if c.is_uppercase() => 0.78,
        c if c < '\u{1100}' => 0.64,
        _ => 1.05,
    };
    (text.chars().map(of).sum::<f64>() * font).ceil() as i32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    fn map(rows: &[&str], columns: &[&str], weights: &[f32]) -> HeatMap {
        HeatMap {
            title: "cross-attention, layer 1 of 2".to_owned(),
            notes: strings(&["a note"]),
            rows: strings(rows),
            columns: strings(columns),
            weights: weights.to_vec(),
            shading: Shading::Linear,
        }
    }

    fn luminance(RGBColor(r, g, b): RGBColor) -> f64 {
        0.2126 * f64::from(r) + 0.7152 * f64::from(g) + 0.0722 * f64::from(b)
    }

    #[test]
    fn more_is_darker() {
        let shades: Vec<f64> = (0..=100)
            .map(|i| luminance(color(f64::from(i) / 100.0)))
            .collect();
        assert!(
            shades.windows(2).all(|pair| pair[0] > pair[1]),
            "{shades:?}"
        );
        assert_eq!((color(0.0), color(1.0)), (RAMP[0], RAMP[3]));
        assert_eq!(color(1.0 / 3.0), RAMP[1]);
    }

    #[test]
    fn each_weight_is_a_square_and_the_highest_is_the_darkest() {
        let svg = map(
            &["un", "deux"],
            &["one", "two", "end"],
            &[0.5, 0.25, 0.0, 0.0, 0.1, 0.4],
        );
        let svg = svg.svg().expect("a picture");
        let squares: Vec<&str> = svg
            .lines()
            .filter(|line| line.contains(r#"width="27" height="27""#))
            .collect();
        assert_eq!(squares.len(), 6);
        assert!(squares[0].contains("#001E46"), "{}", squares[0]);
        assert!(squares[2].contains("#FFFFFF"), "{}", squares[2]);
        for text in [
            "cross-attention, layer 1 of 2",
            "a note",
            "deux",
            "end",
            "0.50",
            "0.25",
            "0.00",
        ] {
            assert!(svg.lines().any(|line| line == text), "{text}");
        }
    }

    #[test]
    fn a_class_is_a_row_in_parts_of_all_that_is_of_it() {
        let mut matrix = ConfusionMatrix::new(2);
        for (label, predicted) in [(0, 0), (0, 0), (0, 0), (0, 1), (1, 1)] {
            matrix.add(label, predicted);
        }
        let map = HeatMap::confusion(&strings(&["cat", "dog"]), &matrix);
        assert_eq!(map.weights, [0.75, 0.25, 0.0, 1.0]);
        assert_eq!(map.notes[0], "accuracy 80.00 % of 5");
        assert_eq!((&map.rows, &map.columns), (&map.columns, &map.rows));
    }

    #[test]
    fn the_middle_of_the_scale_is_what_it_says() {
        for shading in [Shading::Linear, Shading::SquareRoot] {
            assert_eq!(shading.place(f64::from(shading.middle())), 0.5);
            assert_eq!((shading.place(0.0), shading.place(1.0)), (0.0, 1.0));
        }
    }

    #[test]
    fn labels_of_markup_are_text() {
        let svg = map(&["</s>", "&"], &["<b>", "\"東'"], &[0.5; 4])
            .svg()
            .expect("a picture");
        for text in ["&lt;/s&gt;", "&amp;", "&lt;b&gt;", "&quot;東&apos;"] {
            assert!(svg.lines().any(|line| line == text), "{text}");
        }
    }

    #[test]
    fn labels_of_a_large_map_do_not_overlap() {
        for n in [1, 8, 40, 200] {
            let words = vec!["word"; n];
            let layout = map(&words, &words, &vec![0.1; n * n]).layout();
            assert!(layout.font * 1.2 < f64::from(layout.cell), "{n}");
            assert!(layout.left + layout.cell * n as i32 <= layout.size.0 as i32);
            assert!(layout.top + layout.cell * n as i32 <= layout.size.1 as i32);
        }
    }
}
