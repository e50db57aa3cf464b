//! The worst errors, face by face, for those who asked to see them.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::headed;
use crate::report::evaluation::words::{clean, similarity};
use crate::report::evaluation::{FacePair, ReportInput};
use crate::report::look::escape;

/// More pairs of a kind are not shown.
const PAIRS_MAX: usize = 24;

/// Impostor pairs from the most alike, then genuine pairs from the least alike.
pub(super) fn faces(page: &mut String, input: &ReportInput) -> Result<(), String> {
    for (name, model) in input.named() {
        let Some(pairs) = &model.faces else {
            continue;
        };
        for (title, genuine) in [
            ("Impostor pairs that are most alike", false),
            ("Genuine pairs that are least alike", true),
        ] {
            let title = headed(title, &name, input.models.len());
            // Writing to a string does not fail.
            let _ = write!(
                page,
                "<section><h2>{}</h2><div class=\"pairs\">",
                escape(&title)
            );
            let mut kind: Vec<&FacePair> = pairs.iter().filter(|p| p.genuine == genuine).collect();
            let alike = |pair: &FacePair| pair.similarity;
            kind.sort_by(|a, b| alike(a).total_cmp(&alike(b)));
            if !genuine {
                kind.reverse();
            }
            for pair in kind.iter().take(PAIRS_MAX) {
                figure(page, pair)?;
            }
            page.push_str("</div></section>");
        }
    }
    Ok(())
}

fn figure(page: &mut String, pair: &FacePair) -> Result<(), String> {
    let (probe, reference) = &pair.names;
    page.push_str("<figure>");
    for (jpeg, side) in [(&pair.probe, "probe"), (&pair.reference, "reference")] {
        if !jpeg.starts_with(&[0xFF, 0xD8, 0xFF]) {
            return Err(format!(
                "the {side} of a pair of faces is no JPEG: encode it as one before it is shown"
            ));
        }
        let encoded = STANDARD.encode(jpeg);
        let _ = write!(
            page,
            "<img src=\"data:image/jpeg;base64,{encoded}\" alt=\"{side}\">"
        );
    }
    let _ = write!(
        page,
        "<figcaption>similarity {}<br>{}<br>{}</figcaption></figure>",
        similarity(pair.similarity),
        escape(&clean(probe)),
        escape(&clean(reference))
    );
    Ok(())
}
