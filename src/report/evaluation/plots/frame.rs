//! What all drawings share: size, axes with chosen ticks, legend, and lines cut at the frame.

use plotters::chart::{ChartContext, SeriesLabelPosition};
use plotters::coord::Shift;
use plotters::coord::ranged1d::{KeyPointHint, NoDefaultFormatting, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::Drawn;
use crate::report::look::{GRID, PAPER, text};

/// Twice the width that a drawing is shown at, pixels.
pub(super) const WIDTH: u32 = 1_120;
/// Twice its height.
pub(super) const HEIGHT: u32 = 880;
/// Size of most texts, as the library counts: a quarter more than their pixels.
pub(super) const TEXT: i32 = 33;

const MARGIN: u32 = 16;
const MARGIN_RIGHT: u32 = 44;
const Y_LABELS: u32 = 132;
/// Width of a digit in that size, pixels.
const DIGIT_PX: f64 = 15.0;
/// Room that labels of neighbouring ticks leave between them, pixels.
const BETWEEN_PX: f64 = 10.0;

/// A linear axis of what was already transformed, with its ticks.
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    /// Where, and what is written there.
    pub(super) ticks: Vec<(f64, String)>,
    /// What it shows, with the unit.
    pub(super) title: String,
}

pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
pub(super) type Chart<'a> = ChartContext<'a, SVGBackend<'a>, Cartesian2d<Ticked, Ticked>>;

impl Axis {
    /// The transformed values of `ticks` that lie within, labelled.
    pub(super) fn ticks(
        &mut self,
        ticks: impl IntoIterator<Item = f64>,
        label: impl Fn(f64) -> String,
        place: impl Fn(f64) -> f64,
    ) {
        let within = |at: &f64| (self.from - 1e-9..=self.to + 1e-9).contains(at);
        let ticks = ticks.into_iter().map(|tick| (place(tick), label(tick)));
        self.ticks = ticks.filter(|(at, _)| within(at)).collect();
    }

    /// Without the labels that would touch the one before; their ticks stay.
    fn thinned(&mut self) {
        let px = f64::from(WIDTH - MARGIN - MARGIN_RIGHT - Y_LABELS) / (self.to - self.from);
        let mut free_from = f64::NEG_INFINITY;
        for (at, label) in &mut self.ticks {
            let digits = u32::try_from(label.chars().count()).unwrap_or(u32::MAX);
            let half = f64::from(digits) * DIGIT_PX / 2.0;
            let middle = *at * px;
            if middle - half < free_from {
                label.clear();
            } else {
                free_from = middle + half + BETWEEN_PX;
            }
        }
    }

    fn coordinate(&self) -> Ticked {
        Ticked {
            linear: (self.from..self.to).into(),
            ticks: self.ticks.clone(),
        }
    }
}

/// An axis as the drawing library knows it.
pub(super) struct Ticked {
    linear: RangedCoordf64,
    ticks: Vec<(f64, String)>,
}

impl Ranged for Ticked {
    type FormatOption = NoDefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        self.linear.map(value, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        // There are no lighter lines between the ticks.
        let bold = !hint.weight().allow_light_points();
        let ticks = self.ticks.iter().filter(|_| bold);
        ticks.map(|(at, _)| *at).collect()
    }

    fn range(&self) -> std::ops::Range<f64> {
        self.linear.range()
    }
}

impl ValueFormatter<f64> for Ticked {
    fn format_ext(&self, value: &f64) -> String {
        let distance = |at: f64| (at - value).abs();
        let nearest = self
            .ticks
            .iter()
            .min_by(|a, b| distance(a.0).total_cmp(&distance(b.0)));
        nearest.map_or_else(String::new, |(_, label)| label.clone())
    }
}

/// Fills the paper.
pub(super) fn fill(area: &Area<'_>) -> Drawn {
    area.fill(&PAPER)?;
    Ok(())
}

/// Axes, mesh and caption.
pub(super) fn chart<'a>(
    area: &Area<'a>,
    caption: &str,
    mut x: Axis,
    y: &Axis,
) -> Result<Chart<'a>, Box<dyn std::error::Error>> {
    x.thinned();
    // With the margin between the heading and the axes.
    let below = area.titled(caption, text(TEXT + 4))?;
    let mut chart = ChartBuilder::on(&below)
        .margin(MARGIN)
        .margin_right(MARGIN_RIGHT)
        .x_label_area_size(96)
        .y_label_area_size(Y_LABELS)
        .build_cartesian_2d(x.coordinate(), y.coordinate())?;
    chart
        .configure_mesh()
        .axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(text(TEXT))
        .axis_desc_style(text(TEXT))
        .x_desc(x.title.as_str())
        .y_desc(y.title.as_str())
        .draw()?;
    Ok(chart)
}

/// The legend, drawn last, over everything.
pub(super) fn legend<'a>(chart: &mut Chart<'a>, position: SeriesLabelPosition) -> Drawn
where
    SVGBackend<'a>: 'a,
{
    chart
        .configure_series_labels()
        .position(position)
        .legend_area_size(52)
        .margin(14)
        .background_style(PAPER)
        .border_style(GRID)
        .label_font(text(TEXT))
        .draw()?;
    Ok(())
}

/// A piece of line in the legend.
pub(super) fn mark(colour: RGBColor) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new([(x, y), (x + 40, y)], colour.stroke_width(5))
}

/// A line of transformed points, without what lies outside the axes: the drawing would show it on
/// their edges.
pub(super) fn line(
    chart: &mut Chart<'_>,
    points: &[(f64, f64)],
    colour: RGBColor,
    name: String,
) -> Drawn {
    let (x, y) = (chart.x_range(), chart.y_range());
    let mut pieces: Vec<Vec<(f64, f64)>> = Vec::new();
    let pairs = points.iter().zip(points.iter().skip(1));
    for (from, to) in pairs.filter_map(|(from, to)| within(*from, *to, &x, &y)) {
        match pieces.last_mut() {
            Some(piece) if piece.last() == Some(&from) => piece.push(to),
            _ => pieces.push(vec![from, to]),
        }
    }
    let drawn = pieces
        .into_iter()
        .map(|piece| PathElement::new(piece, colour.stroke_width(4)));
    chart.draw_series(drawn)?.label(name).legend(mark(colour));
    Ok(())
}

/// The part of a straight line that lies within both ranges, by Liang and Barsky (1984).
pub(super) fn within(
    (x0, y0): (f64, f64),
    (x1, y1): (f64, f64),
    x: &std::ops::Range<f64>,
    y: &std::ops::Range<f64>,
) -> Option<((f64, f64), (f64, f64))> {
    let (dx, dy) = (x1 - x0, y1 - y0);
    let (mut enters, mut leaves) = (0.0_f64, 1.0_f64);
    for (along, room) in [
        (-dx, x0 - x.start),
        (dx, x.end - x0),
        (-dy, y0 - y.start),
        (dy, y.end - y0),
    ] {
        if along == 0.0 {
            if room < 0.0 {
                return None;
            }
        } else if along < 0.0 {
            enters = enters.max(room / along);
        } else {
            leaves = leaves.min(room / along);
        }
    }
    // Ends that lie within stay exactly where they are, so that pieces join.
    let at = |share: f64| match share {
        0.0 => (x0, y0),
        1.0 => (x1, y1),
        share => (x0 + share * dx, y0 + share * dy),
    };
    (enters <= leaves).then(|| (at(enters), at(leaves)))
}

/// A share in percent, as short as it can be, without the sign that the axis has.
pub(super) fn percent_label(share: f64) -> String {
    // Without the noise of the last binary digit.
    format!("{}", (share * 1e12).round() / 1e10)
}
