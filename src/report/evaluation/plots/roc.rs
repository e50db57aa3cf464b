//! Receiver operating characteristic.

use plotters::chart::SeriesLabelPosition;
use plotters::prelude::*;

use super::frame::{self, Area, Axis, percent_label};
use super::{Curve, Drawn, colour, drawing};

/// True match rate, which is 1 − FNMR, over FMR on a logarithmic axis, both in percent. A dot
/// marks each target's threshold.
///
/// # Errors
/// When the drawing fails, in words.
pub fn roc(curves: &[Curve<'_>]) -> Result<String, String> {
    drawing(|area| draw(area, curves))
}

fn draw(area: &Area<'_>, curves: &[Curve<'_>]) -> Drawn {
    let (x, y) = axes(curves);
    let caption = "Receiver operating characteristic: upper left is better";
    let (fmrs, tmrs) = (x.from..=x.to, y.from..=y.to);
    let mut chart = frame::chart(area, caption, x, &y)?;
    for (index, curve) in curves.iter().enumerate() {
        let points: Vec<(f64, f64)> = places(curve).collect();
        frame::line(&mut chart, &points, colour(index), curve.legend())?;
        let targets = curve.measures.targets.iter();
        let dots = targets
            .filter(|at| at.fmr.rate > 0.0)
            .map(|at| (at.fmr.rate.log10(), 1.0 - at.fnmr.rate))
            .filter(|(fmr, tmr)| fmrs.contains(fmr) && tmrs.contains(tmr))
            .map(|at| Circle::new(at, 8, colour(index).filled()));
        chart.draw_series(dots)?;
    }
    frame::legend(&mut chart, SeriesLabelPosition::LowerRight)
}

/// The curve's points where it has a logarithm.
fn places(curve: &Curve<'_>) -> impl Iterator<Item = (f64, f64)> {
    let points = curve.measures.curve.iter().filter(|point| point.fmr > 0.0);
    points.map(|point| (point.fmr.log10(), 1.0 - point.fnmr))
}

fn axes(curves: &[Curve<'_>]) -> (Axis, Axis) {
    let lowest = |of: fn((f64, f64)) -> f64, least: f64| {
        curves.iter().flat_map(places).map(of).fold(least, f64::min)
    };
    let mut x = Axis {
        from: lowest(|(fmr, _)| fmr, -3.0).floor().max(-9.0),
        to: 0.0,
        ticks: Vec::new(),
        title: "FMR, % (logarithmic)".to_owned(),
    };
    x.ticks(
        (-9..=0).map(|power| 10_f64.powi(power)),
        percent_label,
        f64::log10,
    );
    // The twentieth below the lowest rate that is drawn.
    let from = (lowest(|(_, tmr)| tmr, 0.95) * 20.0 + 1e-9).floor() / 20.0;
    let step = match 1.0 - from {
        span if span <= 0.051 => 100,
        span if span <= 0.11 => 50,
        span if span <= 0.26 => 20,
        _ => 10,
    };
    let mut y = Axis {
        from: from.max(0.0),
        to: 1.0,
        ticks: Vec::new(),
        title: "true match rate, % (1 − FNMR)".to_owned(),
    };
    let ticks = (0..=step).map(|n| f64::from(n) / f64::from(step));
    y.ticks(ticks, percent_label, |tick| tick);
    (x, y)
}
