//! The usual drawings of an evaluation as SVG: DET, ROC, and how similarities spread. They read in
//! light and in dark, and are drawn at twice the size they are shown at, since coordinates are
//! whole numbers.

mod det;
mod frame;
mod histogram;
mod probit;
mod roc;

pub use det::det;
pub use histogram::similarities;
pub use roc::roc;

use plotters::prelude::*;

use super::words::{clean, cut};
use crate::evaluation::result::Measures;
use crate::report::look::with_dark_look;

/// One model's results under the name that the legend gives it.
#[derive(Debug, Clone, Copy)]
pub struct Curve<'a> {
    /// The model.
    pub name: &'a str,
    /// Its results.
    pub measures: &'a Measures,
}

impl Curve<'_> {
    fn legend(&self) -> String {
        cut(&clean(self.name), super::NAME_LENGTH_MAX)
    }
}

/// Colours of the models, in their order, with those of the dark look. More models begin again.
const MODELS: [(RGBColor, &str); 6] = [
    (RGBColor(0x1D, 0x4E, 0xA8), "#7FB0FF"),
    (RGBColor(0xB3, 0x5A, 0x00), "#F2A541"),
    (RGBColor(0x0B, 0x6E, 0x4F), "#4FD1A1"),
    (RGBColor(0xB4, 0x23, 0x4B), "#FF7A9C"),
    (RGBColor(0x6B, 0x3F, 0xA0), "#C3A1F5"),
    (RGBColor(0x5F, 0x5A, 0x1E), "#D6CE7A"),
];

/// Comparisons of one person.
const GENUINE: RGBColor = RGBColor(0x1F, 0x8A, 0x4C);
/// Comparisons of two people.
const IMPOSTOR: RGBColor = RGBColor(0xC0, 0x39, 0x2B);

const KINDS: [(RGBColor, &str); 2] = [(GENUINE, "#56D28A"), (IMPOSTOR, "#FF8A7A")];

/// Colour of the model of this number.
fn colour(index: usize) -> RGBColor {
    let of = MODELS.get(index % MODELS.len());
    of.map_or(IMPOSTOR, |(colour, _)| *colour)
}

type Drawn = Result<(), Box<dyn std::error::Error>>;

/// What `draw` makes of an empty sheet.
fn drawing(
    draw: impl FnOnce(&DrawingArea<SVGBackend<'_>, plotters::coord::Shift>) -> Drawn,
) -> Result<String, String> {
    let mut svg = String::new();
    let drawn = {
        let size = (frame::WIDTH, frame::HEIGHT);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        frame::fill(&area)
            .and_then(|()| draw(&area))
            .and_then(|()| {
                area.present()?;
                Ok(())
            })
    };
    drawn.map_err(|error| format!("cannot draw the plot: {error}"))?;
    let more: Vec<(RGBColor, &str)> = MODELS.iter().chain(&KINDS).copied().collect();
    Ok(with_dark_look(&svg, &more))
}

#[cfg(test)]
mod tests;
