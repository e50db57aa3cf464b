//! Which column of a list is what.

use std::collections::BTreeSet;

use ::csv::StringRecord;

use super::{SLICE_COLUMNS_MAX, TEXT_BYTES_MAX};

/// Places of the columns in a line.
pub struct Columns {
    pub probe: usize,
    pub reference: usize,
    pub genuine: usize,
    /// The probe's person and the reference's person, where the list names people.
    pub people: Option<(usize, usize)>,
    /// Columns by which results are split, with their names.
    pub slices: Vec<(usize, String)>,
}

impl Columns {
    pub fn of(header: &StringRecord) -> Result<Self, String> {
        let distinct: BTreeSet<&str> = header.iter().collect();
        if distinct.len() != header.len() {
            return Err("the header names a column twice".to_owned());
        }
        let place = |wanted: &str| header.iter().position(|name| name == wanted);
        let needed = |wanted: &str| {
            place(wanted).ok_or_else(|| {
                format!(
                    "the header has no column {wanted:?}: it must begin the list, separated by \
                     commas, for example probe,reference,genuine"
                )
            })
        };
        let people = match (place("probe_person"), place("reference_person")) {
            (Some(probe), Some(reference)) => Some((probe, reference)),
            (None, None) => None,
            _ => {
                return Err(
                    "the header names the person of one side only: name probe_person and \
                     reference_person, or neither"
                        .to_owned(),
                );
            }
        };
        let (probe, reference) = (needed("probe")?, needed("reference")?);
        let genuine = needed("genuine")?;
        let known = [Some(probe), Some(reference), Some(genuine)];
        let of_people = [people.map(|it| it.0), people.map(|it| it.1)];
        let is_known = |place: usize| known.iter().chain(&of_people).any(|it| *it == Some(place));
        let slices: Vec<(usize, String)> = header
            .iter()
            .enumerate()
            .filter(|(place, _)| !is_known(*place))
            .map(|(place, name)| (place, name.to_owned()))
            .collect();
        if slices.len() > SLICE_COLUMNS_MAX {
            return Err(format!(
                "more than {SLICE_COLUMNS_MAX} columns beside those of the comparison: leave out \
                 what results need not be split by"
            ));
        }
        for (_, name) in &slices {
            check_text(name)?;
            if name.is_empty() {
                return Err("a column has no name".to_owned());
            }
        }
        Ok(Self {
            probe,
            reference,
            genuine,
            people,
            slices,
        })
    }
}

/// Texts that reports repeat are short and have no control characters.
pub fn check_text(text: &str) -> Result<(), String> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(format!(
            "a text has more than {TEXT_BYTES_MAX} bytes: shorten it"
        ));
    }
    if text.contains(char::is_control) {
        return Err("a text has a control character in it".to_owned());
    }
    Ok(())
}
