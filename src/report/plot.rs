//! Latency and throughput over the offered rate, as an SVG that reads in light and in dark.

use plotters::chart::SeriesLabelPosition;
use plotters::coord::Shift;
use plotters::prelude::*;

use super::look::{GRID, IDEAL, PAPER, text, with_dark_look};
use crate::load::{Outcome, Spread};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 720;

/// Colours of the light look. Each is used for one thing only: the dark look replaces them by name.
const P50: RGBColor = RGBColor(0x0B, 0x6E, 0x4F);
const P90: RGBColor = RGBColor(0xB3, 0x5A, 0x00);
const P99: RGBColor = RGBColor(0xB4, 0x23, 0x4B);
const THROUGHPUT: RGBColor = RGBColor(0x1D, 0x4E, 0xA8);

/// The same things in the dark look.
const DARK: [(RGBColor, &str); 4] = [
    (P50, "#4FD1A1"),
    (P90, "#F2A541"),
    (P99, "#FF7A9C"),
    (THROUGHPUT, "#7FB0FF"),
];

/// What is taken of a run's latencies.
type Quantile = fn(&Spread) -> f64;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// One point for each run: quantiles of latency above, achieved throughput below.
///
/// # Errors
/// When the drawing fails, in words.
pub fn latency_over_rate(runs: &[Outcome]) -> Result<String, String> {
    let mut runs: Vec<&Outcome> = runs.iter().collect();
    runs.sort_by(|a, b| a.offered_per_s.total_cmp(&b.offered_per_s));
    let mut svg = String::new();
    let drawn = draw(&mut svg, &runs);
    drawn.map_err(|error| format!("cannot draw the plot: {error}"))?;
    Ok(with_dark_look(&svg, &DARK))
}

fn draw(svg: &mut String, runs: &[&Outcome]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, (WIDTH, HEIGHT)).into_drawing_area();
    area.fill(&PAPER)?;
    let (above, below) = area.split_vertically(HEIGHT * 3 / 5);
    // A little room to the right of the last point.
    let rate_max = 1.06 * runs.iter().map(|run| run.offered_per_s).fold(0.5, f64::max);
    draw_latency(&above, runs, rate_max)?;
    draw_throughput(&below, runs, rate_max)?;
    area.present()?;
    Ok(())
}

fn draw_latency(
    area: &Area<'_>,
    runs: &[&Outcome],
    rate_max: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let spreads = || {
        runs.iter()
            .filter_map(|run| Some((run.offered_per_s, run.latency?)))
    };
    let (mut low, mut high) = (f64::INFINITY, 0.0_f64);
    for (_, spread) in spreads() {
        low = low.min(spread.p50);
        high = high.max(spread.p99);
    }
    // Overload is a hundred times slower than rest: only a logarithmic axis shows both.
    let (low, high) = if high > 0.0 {
        decades(low, high)
    } else {
        (1.0, 1_000.0)
    };
    let mut chart = ChartBuilder::on(area)
        .caption(title(runs), text(20))
        .margin(14)
        .margin_right(24)
        .x_label_area_size(30)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..rate_max, (low..high).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .y_desc("latency, ms (logarithmic)")
        .y_label_formatter(&|value| format!("{value}"))
        .x_label_formatter(&rate_label)
        .draw()?;
    let quantiles: [(&str, RGBColor, Quantile); 3] = [
        ("99th percentile", P99, |spread| spread.p99),
        ("90th percentile", P90, |spread| spread.p90),
        ("median", P50, |spread| spread.p50),
    ];
    for (name, colour, of) in quantiles {
        let points: Vec<(f64, f64)> = spreads()
            .map(|(rate, spread)| (rate, of(&spread).clamp(low, high)))
            .collect();
        let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2));
        chart.draw_series(line)?.label(name).legend(mark(colour));
        let dot = |point: &(f64, f64)| Circle::new(*point, 4, colour.filled());
        chart.draw_series(points.iter().map(dot))?;
    }
    draw_legend(&mut chart)
}

fn draw_throughput(
    area: &Area<'_>,
    runs: &[&Outcome],
    rate_max: f64,
) -> Result<(), Box<dyn std::error::Error>> {
    let highest = runs.iter().map(|run| run.throughput_per_s);
    let top = highest.fold(0.5, f64::max) * 1.25;
    let mut chart = ChartBuilder::on(area)
        .caption("Achieved throughput", text(20))
        .margin(14)
        .margin_right(24)
        .x_label_area_size(48)
        .y_label_area_size(66)
        .build_cartesian_2d(0.0..rate_max, 0.0..top)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .axis_style(GRID)
        .bold_line_style(GRID)
        .light_line_style(TRANSPARENT)
        .y_labels(6)
        .label_style(text(14))
        .axis_desc_style(text(15))
        .x_desc("offered rate, calls a second")
        .y_desc("decisions a second")
        .y_label_formatter(&rate_label)
        .x_label_formatter(&rate_label)
        .draw()?;
    let end = rate_max.min(top);
    let ideal = DashedLineSeries::new([(0.0, 0.0), (end, end)], 6, 5, IDEAL.stroke_width(1));
    chart
        .draw_series(ideal)?
        .label("as many as offered")
        .legend(mark(IDEAL));
    let points = || {
        runs.iter()
            .map(|run| (run.offered_per_s, run.throughput_per_s))
    };
    let line = LineSeries::new(points(), THROUGHPUT.stroke_width(2));
    chart
        .draw_series(line)?
        .label("achieved")
        .legend(mark(THROUGHPUT));
    chart.draw_series(points().map(|point| Circle::new(point, 4, THROUGHPUT.filled())))?;
    draw_legend(&mut chart)
}

fn draw_legend<'a, C: CoordTranslate>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, C>,
) -> Result<(), Box<dyn std::error::Error>> {
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperLeft)
        .background_style(PAPER)
        .border_style(GRID)
        .label_font(text(14))
        .draw()?;
    Ok(())
}

fn title(runs: &[&Outcome]) -> String {
    let server = runs.first().map(|run| &run.server);
    match server.filter(|server| !server.version.is_empty()) {
        Some(server) => format!(
            "Latency over offered rate (padan {}, {} lanes)",
            server.version, server.lanes
        ),
        None => "Latency over offered rate".to_owned(),
    }
}

fn mark(colour: RGBColor) -> impl Fn((i32, i32)) -> PathElement<(i32, i32)> {
    move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(3))
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "plotters calls it so")]
fn rate_label(rate: &f64) -> String {
    // To three digits, without those that say nothing.
    format!("{}", (rate * 1e3).round() / 1e3)
}

/// The powers of ten around both.
fn decades(low: f64, high: f64) -> (f64, f64) {
    let low = low.max(0.001).log10().floor();
    let high = high.log10().ceil().max(low + 1.0);
    (10_f64.powf(low), 10_f64.powf(high))
}

#[cfg(test)]
mod tests;
