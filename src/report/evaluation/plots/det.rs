//! Detection error trade-off.

use plotters::chart::SeriesLabelPosition;
use plotters::prelude::*;

use super::frame::{self, Area, Axis, Chart, percent_label};
use super::probit::probit;
use super::{Curve, Drawn, colour, drawing};
use crate::evaluation::result::CurvePoint;
use crate::report::look::IDEAL;

/// Rates with a tick.
const TICKS: [f64; 16] = [
    1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 5e-3, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999,
];

/// FNMR over FMR, both on normal-deviate axes in percent. A dot marks each target's threshold; its
/// whisker is the 95 % interval of the FNMR at the target.
///
/// # Errors
/// When the drawing fails, in words.
pub fn det(curves: &[Curve<'_>]) -> Result<String, String> {
    drawing(|area| draw(area, curves))
}

fn draw(area: &Area<'_>, curves: &[Curve<'_>]) -> Drawn {
    let x = axis("FMR, % (normal deviate)", curves, |point| point.fmr);
    let y = axis("FNMR, % (normal deviate)", curves, |point| point.fnmr);
    let caption = "Detection error trade-off: lower left is better";
    let (from, to) = (x.from.max(y.from), x.to.min(y.to));
    let mut chart = frame::chart(area, caption, x, &y)?;
    let equal = DashedLineSeries::new([(from, from), (to, to)], 10, 9, IDEAL.stroke_width(2));
    chart
        .draw_series(equal)?
        .label("equal error rate")
        .legend(frame::mark(IDEAL));
    for (index, curve) in curves.iter().enumerate() {
        let points: Vec<(f64, f64)> = curve
            .measures
            .curve
            .iter()
            .filter_map(|point| Some((deviate(point.fmr)?, deviate(point.fnmr)?)))
            .collect();
        frame::line(&mut chart, &points, colour(index), curve.legend())?;
        targets(&mut chart, curve, colour(index))?;
    }
    frame::legend(&mut chart, SeriesLabelPosition::UpperRight)
}

/// Dots at the targets' thresholds, with whiskers.
fn targets(chart: &mut Chart<'_>, curve: &Curve<'_>, colour: RGBColor) -> Drawn {
    let (x, y) = (chart.x_range(), chart.y_range());
    for at in &curve.measures.targets {
        let (Some(fmr), Some(fnmr)) = (deviate(at.fmr.rate), deviate(at.fnmr.rate)) else {
            continue;
        };
        let (low, high) = at.fnmr_at_target;
        let ends = deviate(high).map(|high| (deviate(low).unwrap_or(y.start), high));
        let whisker = ends.and_then(|(low, high)| frame::within((fmr, low), (fmr, high), &x, &y));
        let whisker = whisker.map(|(a, b)| PathElement::new([a, b], colour.stroke_width(2)));
        chart.draw_series(whisker)?;
        if x.contains(&fmr) && y.contains(&fnmr) {
            chart.draw_series([Circle::new((fmr, fnmr), 8, colour.filled())])?;
        }
    }
    Ok(())
}

/// Where a rate lies; nowhere when it is 0 or 1, which no such axis has.
fn deviate(rate: f64) -> Option<f64> {
    (rate > 0.0 && rate < 1.0).then(|| probit(rate))
}

/// From the lowest rate to one half, or further where a model is worse.
fn axis(title: &str, curves: &[Curve<'_>], rate: impl Fn(&CurvePoint) -> f64) -> Axis {
    let points = curves.iter().flat_map(|curve| &curve.measures.curve);
    let rates = points.map(rate).filter(|rate| *rate > 0.0);
    let lowest = rates.fold(1e-3, f64::min).max(1e-7);
    let eer = curves.iter().map(|curve| curve.measures.eer.rate);
    let highest = if eer.fold(0.0, f64::max) > 0.4 {
        0.999
    } else {
        0.5
    };
    let mut axis = Axis {
        from: probit(lowest),
        to: probit(highest),
        ticks: Vec::new(),
        title: title.to_owned(),
    };
    axis.ticks(TICKS, percent_label, probit);
    axis
}
