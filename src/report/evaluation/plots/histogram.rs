//! How similarities spread.

use plotters::chart::SeriesLabelPosition;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::frame::{self, Area, Axis, Chart, TEXT};
use super::{Curve, Drawn, GENUINE, IMPOSTOR, drawing};
use crate::evaluation::result::TargetRates;
use crate::report::evaluation::words::{short, similarity};
use crate::report::look::{INK, text};

/// Finer bins are put together: they would show chance.
const BIN_WIDTH_MIN: f64 = 0.02;

/// Height of a threshold's label, as a share of the drawing's height.
const LABEL_HEIGHT: f64 = 0.06;

/// More thresholds have no label of their own.
const LABELS_MAX: usize = 8;

/// How often each similarity was seen, as densities: each kind's area is 1, so that both are seen
/// however different their numbers. Lines mark the thresholds.
///
/// # Errors
/// When the drawing fails, in words.
pub fn similarities(curve: &Curve<'_>) -> Result<String, String> {
    drawing(|area| draw(area, curve))
}

fn draw(area: &Area<'_>, curve: &Curve<'_>) -> Drawn {
    let histogram = &curve.measures.histogram;
    let kinds = [
        ("impostor", IMPOSTOR, Density::of(&histogram.impostor)),
        ("genuine", GENUINE, Density::of(&histogram.genuine)),
    ];
    let mut targets: Vec<&TargetRates> = curve.measures.targets.iter().collect();
    targets.retain(|at| (-1.0..=1.0).contains(&at.threshold));
    targets.sort_by(|a, b| place(a).total_cmp(&place(b)));
    let ends = kinds.iter().filter_map(|(_, _, density)| density.ends());
    let thresholds = targets.iter().map(|at| place(at));
    let (low, high) = ends
        .chain(thresholds.map(|at| (at, at)))
        .fold((0.0_f64, 0.5_f64), |(low, high), (from, to)| {
            (low.min(from), high.max(to))
        });
    let peak = kinds
        .iter()
        .map(|(_, _, density)| density.peak())
        .fold(0.1, f64::max);
    let (x, y) = axes((low, high), peak, targets.len());
    let caption = format!("Similarities: {}", curve.legend());
    let mut chart = frame::chart(area, &caption, x, &y)?;
    for (name, colour, density) in kinds {
        let outline = density.outline();
        chart.draw_series([Polygon::new(outline.clone(), colour.mix(0.25).filled())])?;
        chart
            .draw_series([PathElement::new(outline, colour.stroke_width(3))])?
            .label(name)
            .legend(frame::mark(colour));
    }
    thresholds_marked(&mut chart, &targets)?;
    frame::legend(&mut chart, SeriesLabelPosition::UpperLeft)
}

/// Where a target's threshold lies.
fn place(at: &TargetRates) -> f64 {
    f64::from(at.threshold)
}

fn axes((low, high): (f64, f64), peak: f64, labels: usize) -> (Axis, Axis) {
    let mut x = Axis {
        from: ((low - 0.02) * 10.0).floor() / 10.0,
        to: ((high + 0.02) * 10.0).ceil() / 10.0,
        ticks: Vec::new(),
        title: "cosine similarity".to_owned(),
    };
    let tenths = (-11..=11).filter(|tenth| tenth % 2 == 0);
    x.ticks(
        tenths.map(|tenth| f64::from(tenth) / 10.0),
        |tick| format!("{tick:.1}").replace('-', "−"),
        |tick| tick,
    );
    // Above the peak is room for the legend and the thresholds' labels.
    let rows = f64::from(u32::try_from(labels.clamp(3, LABELS_MAX)).unwrap_or(3));
    let to = peak * 1.04 / (1.0 - LABEL_HEIGHT * (rows + 0.2));
    let step = [0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0];
    let step = step
        .into_iter()
        .find(|step| to / step <= 7.0)
        .unwrap_or(100.0);
    let mut y = Axis {
        from: 0.0,
        to,
        ticks: Vec::new(),
        title: "density (each area is 1)".to_owned(),
    };
    let ticks = (0..=20).map(|n| f64::from(n) * step);
    y.ticks(
        ticks,
        |tick| format!("{}", (tick * 10.0).round() / 10.0),
        |tick| tick,
    );
    (x, y)
}

/// A line at each threshold, ascending, that ends in its label. The labels stand below each other
/// on the side where there is more room, so that no line crosses one.
fn thresholds_marked(chart: &mut Chart<'_>, targets: &[&TargetRates]) -> Drawn {
    let (x, y) = (chart.x_range(), chart.y_range());
    let middle = targets
        .iter()
        .map(|at| f64::from(at.threshold))
        .sum::<f64>();
    let count = f64::from(u32::try_from(targets.len().max(1)).unwrap_or(1));
    let to_the_right = middle / count < x.start + 0.62 * (x.end - x.start);
    for (index, at) in targets.iter().enumerate() {
        let row = if to_the_right {
            index
        } else {
            targets.len() - 1 - index
        };
        let labelled = row < LABELS_MAX;
        let row = f64::from(u32::try_from(row.min(LABELS_MAX)).unwrap_or(0));
        let top = y.end * (1.0 - LABEL_HEIGHT * (row + 0.2));
        let place = place(at);
        let line = PathElement::new([(place, 0.0), (place, top)], INK.stroke_width(2));
        chart.draw_series([line])?;
        if !labelled {
            continue;
        }
        let label = format!("FMR {}: {}", short(at.target), similarity(at.threshold));
        let (side, shift) = if to_the_right {
            (HPos::Left, 10)
        } else {
            (HPos::Right, -10)
        };
        let style = text(TEXT - 3).pos(Pos::new(side, VPos::Top));
        let label = EmptyElement::at((place, top)) + Text::new(label, (shift, 0), style);
        chart.draw_series([label])?;
    }
    Ok(())
}

/// Share of the similarities for each bin, over its width.
struct Density {
    bins: Vec<f64>,
    width: f64,
}

impl Density {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "counts are far below 2^52, and bins few"
    )]
    fn of(counts: &[u64]) -> Self {
        let fine = 2.0 / counts.len().max(1) as f64;
        // Only as many as leave bins of one width.
        let most = (BIN_WIDTH_MIN / fine).round().max(1.0) as usize;
        let together = (1..=most).rev().find(|n| counts.len().is_multiple_of(*n));
        let together = together.unwrap_or(1);
        let width = fine * together as f64;
        let all: u64 = counts.iter().sum();
        let bins = counts.chunks(together);
        let density = |bin: &[u64]| bin.iter().sum::<u64>() as f64 / (all.max(1) as f64 * width);
        Self {
            bins: bins.map(density).collect(),
            width,
        }
    }

    /// Where a bin begins.
    #[expect(clippy::cast_precision_loss, reason = "bins are few")]
    fn start(&self, bin: usize) -> f64 {
        bin as f64 * self.width - 1.0
    }

    fn peak(&self) -> f64 {
        self.bins.iter().copied().fold(0.0, f64::max)
    }

    /// From the first bin that is not empty to the last.
    fn ends(&self) -> Option<(f64, f64)> {
        let first = self.bins.iter().position(|density| *density > 0.0)?;
        let last = self.bins.iter().rposition(|density| *density > 0.0)?;
        Some((self.start(first), self.start(last + 1)))
    }

    /// The upper edge as stairs, on the axis at both ends.
    fn outline(&self) -> Vec<(f64, f64)> {
        let Some((from, to)) = self.ends() else {
            return Vec::new();
        };
        let mut points = vec![(from, 0.0)];
        for (bin, density) in self.bins.iter().enumerate() {
            let (start, end) = (self.start(bin), self.start(bin + 1));
            if start >= from && end <= to {
                points.extend([(start, *density), (end, *density)]);
            }
        }
        points.push((to, 0.0));
        points
    }
}
