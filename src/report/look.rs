//! What padan's pages and drawings have in common: the style, the colours that mean the same
//! everywhere, and how text from outside is made harmless.

use std::fmt::Write as _;

use plotters::prelude::*;

/// The style of every page.
const STYLE: &str = include_str!("style.css");
/// What pages of figures and plots add to it.
pub(super) const FIGURES_STYLE: &str = include_str!("figures.css");

/// What a drawing lies on. Each colour of the light look is used for one thing only: the dark look
/// replaces them by name.
pub(super) const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFE);
/// Text.
pub(super) const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Axes and the lines of the mesh.
pub(super) const GRID: RGBColor = RGBColor(0xD8, 0xDC, 0xE1);
/// Lines to compare with.
pub(super) const IDEAL: RGBColor = RGBColor(0x7A, 0x82, 0x8B);

/// The same things in the dark look.
pub(super) const DARK: [(RGBColor, &str); 4] = [
    (PAPER, "#14181D"),
    (INK, "#E6EAEE"),
    (GRID, "#323A43"),
    (IDEAL, "#98A1AB"),
];

/// Text of a drawing, pixels high.
pub(super) fn text(size: i32) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&INK)
}

/// Adds the colours that viewers take who prefer dark: those of [`DARK`] and `more`.
pub(super) fn with_dark_look(svg: &str, more: &[(RGBColor, &str)]) -> String {
    let mut rules = String::new();
    for (RGBColor(red, green, blue), dark) in DARK.iter().chain(more) {
        let light = format!("#{red:02X}{green:02X}{blue:02X}");
        // Writing to a string does not fail.
        let _ = writeln!(
            rules,
            "[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}"
        );
    }
    // Paper stays light.
    let style = format!(
        "<style>\n@media screen and (prefers-color-scheme: dark) {{\n{rules}}}\n</style>\n"
    );
    // Behind the opening tag, the first there is.
    match svg.split_once(">\n") {
        Some((open, rest)) => format!("{open}>\n{style}{rest}"),
        None => svg.to_owned(),
    }
}

/// A page up to its body. The policy in it makes sure that nothing is fetched or run, whatever a
/// name in the page might hold.
pub(super) fn head(title: &str, more_style: &str) -> String {
    format!(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; \
         style-src 'unsafe-inline'; img-src data:\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{}</title><style>{STYLE}{more_style}</style></head>",
        escape(&harmless(title))
    )
}

/// A drawing with what it is for those who cannot see it.
pub(super) fn figure(page: &mut String, label: &str, svg: &str) {
    let label = format!("<svg role=\"img\" aria-label=\"{}\" ", escape(label));
    let svg = svg.replacen("<svg ", &label, 1);
    let _ = write!(page, "<figure class=\"plot\">{svg}</figure>");
}

/// Text as it may stand in HTML, between tags and in quoted attributes.
pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

/// Text that means nothing to Markdown and HTML.
pub(super) fn escape_markdown(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '!' | '#' | '$' => {
                escaped.extend(['\\', c]);
            }
            // Nobody is to be called by a name in somebody's list.
            '@' => escaped.push_str("@\u{2060}"),
            c => escaped.push(c),
        }
    }
    escaped
}

/// Text on one line, without what a terminal obeys, what turns the reading direction, and what XML
/// forbids.
pub(super) fn harmless(text: &str) -> String {
    let turns = |c: char| {
        matches!(c, '\u{61C}' | '\u{200B}'..='\u{200F}')
            || matches!(c, '\u{2028}'..='\u{202E}' | '\u{2066}'..='\u{2069}')
    };
    let forbidden = |c: char| matches!(c, '\u{FEFF}' | '\u{FFFE}' | '\u{FFFF}');
    let harmless = |c: char| match c {
        '\n' | '\r' | '\t' => ' ',
        c if c.is_control() || turns(c) || forbidden(c) => char::REPLACEMENT_CHARACTER,
        c => c,
    };
    text.chars().map(harmless).collect()
}
