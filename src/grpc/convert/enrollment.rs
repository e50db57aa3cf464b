//! Enrolment on the wire and back.

pub mod responses;

use time::{Date, Month, OffsetDateTime};
use zeroize::{Zeroize as _, Zeroizing};

use super::super::proto;
use super::super::status::Violation;
use super::requests::{Meta, Validated, finish, meta, sample, unknown_value};
use super::subjects::{name, nik, violation};
use crate::access::Caller;
use crate::audit::Text;
use crate::embed::{ContractId, Template};
use crate::enrolment::{Ask, ImportRow, Material, NewReference, RowContent, Source};
use crate::keys::KeyRing;
use crate::records::PORTRAIT;
use crate::subject::{Biodata, Sex};

/// Most bytes of a template.
const TEMPLATE_BYTES_MAX: usize = 16 * 1024;
/// Longest contract id, characters.
const CONTRACT_CHARS_MAX: usize = 128;
/// No portrait is older, and nobody who enrols.
const YEAR_MIN: i32 = 1900;
const CAPTURE_YEAR_MIN: i32 = 1950;

/// The fields that a reference has, wherever it stands.
struct Wire {
    subject: Option<proto::Subject>,
    portrait: Option<proto::Sample>,
    template: Option<proto::ReadyTemplate>,
    captured_on: String,
    source: i32,
    biodata: Option<proto::Biodata>,
}

impl Wire {
    /// Over all that is stored or answered, so not over `meta`.
    fn digest(&self, method: &str, keys: &KeyRing) -> [u8; 32] {
        let nik = self.subject.as_ref().map(|it| it.nik.as_bytes());
        let portrait = self.portrait.as_ref().map(|it| it.image.as_ref());
        let template = self.template.as_ref();
        let biodata = self.biodata.as_ref();
        keys.body_digest(&[
            method.as_bytes(),
            nik.unwrap_or_default(),
            portrait.unwrap_or_default(),
            template.map_or(&[], |it| it.contract_id.as_bytes()),
            template.map_or(&[], |it| it.template.as_slice()),
            self.captured_on.as_bytes(),
            &self.source.to_be_bytes(),
            biodata.map_or(&[], |it| it.birth_date.as_bytes()),
            &biodata.map_or(0, |it| it.sex).to_be_bytes(),
        ])
    }

    fn reference(self, violations: &mut Vec<Violation>) -> Option<NewReference> {
        let material = match (self.portrait, self.template) {
            (None, Some(ready)) => template(ready, violations).map(Material::Template),
            (Some(portrait), _) => {
                let portrait = Some(portrait);
                let image = sample(portrait, "portrait", "portrait.image", violations);
                Some(Material::Portrait(image))
            }
            (None, None) => {
                violations.push(violation("portrait", "is required, or template"));
                None
            }
        };
        let captured_on = date(
            &self.captured_on,
            "captured_on",
            CAPTURE_YEAR_MIN,
            violations,
        );
        let source = source(self.source, violations);
        let biodata = biodata(self.biodata.unwrap_or_default(), violations);
        Some(NewReference {
            material: material?,
            captured_on: captured_on.map(|date| date.to_string()),
            source: source?,
            biodata,
        })
    }
}

/// Validates a `PutRequest`.
///
/// # Errors
/// Every violation. What is wrong with the NIK is none: the answer says so.
pub fn put(
    request: proto::PutRequest,
    caller: Caller,
    keys: &KeyRing,
) -> Validated<(Ask, NewReference)> {
    use proto::put_request::Reference;
    let mut violations = Vec::new();
    let meta = meta(request.meta, &mut violations);
    let (portrait, template) = match request.reference {
        Some(Reference::Portrait(portrait)) => (Some(portrait), None),
        Some(Reference::Template(template)) => (None, Some(template)),
        None => (None, None),
    };
    let mut wire = Wire {
        subject: request.subject,
        portrait,
        template,
        captured_on: request.captured_on,
        source: request.source,
        biodata: request.biodata,
    };
    let body_digest = wire.digest("Enrollment.Put", keys);
    let ask = ask(
        &meta,
        wire.subject.take(),
        caller,
        body_digest,
        &mut violations,
    );
    match (ask, wire.reference(&mut violations)) {
        (Some(ask), Some(reference)) => finish(meta, (ask, reference), violations),
        _ => Err(violations),
    }
}

/// Validates a request that names a subject and, at most, says yes or no.
///
/// # Errors
/// Every violation. What is wrong with the NIK is none: the answer says so.
pub fn about(
    method: &str,
    (request_meta, subject): (Option<proto::RequestMeta>, Option<proto::Subject>),
    flag: bool,
    caller: Caller,
    keys: &KeyRing,
) -> Validated<Ask> {
    let mut violations = Vec::new();
    let meta = meta(request_meta, &mut violations);
    let nik = subject.as_ref().map(|it| it.nik.as_bytes());
    let parts = [
        method.as_bytes(),
        nik.unwrap_or_default(),
        &[u8::from(flag)],
    ];
    let body_digest = keys.body_digest(&parts);
    match ask(&meta, subject, caller, body_digest, &mut violations) {
        Some(ask) => finish(meta, ask, violations),
        None => Err(violations),
    }
}

/// Validates a request that names nothing but itself.
///
/// # Errors
/// Every violation.
pub fn only_meta(request_meta: Option<proto::RequestMeta>) -> Result<Meta, Vec<Violation>> {
    let mut violations = Vec::new();
    let meta = meta(request_meta, &mut violations);
    finish(meta, (), violations).map(|(meta, ())| meta)
}

fn ask(
    meta: &Meta,
    subject: Option<proto::Subject>,
    caller: Caller,
    body_digest: [u8; 32],
    violations: &mut Vec<Violation>,
) -> Option<Ask> {
    let Some(subject) = subject else {
        violations.push(violation("subject", "is required"));
        return None;
    };
    Some(Ask {
        caller,
        request_id: Text::fitted(&meta.request_id),
        body_digest,
        nik: nik(subject),
    })
}

/// Validates the beginning of an import.
///
/// # Errors
/// Every violation.
pub fn import_start(start: proto::ImportStart) -> Validated<Text> {
    let mut violations = Vec::new();
    let meta = meta(start.meta, &mut violations);
    let import_id = name(&start.import_id, "start.import_id", &mut violations);
    finish(meta, import_id, violations)
}

/// A row of an import: what is wrong with it is for its answer.
#[must_use]
pub fn import_row(row: proto::ImportRow, keys: &KeyRing) -> ImportRow {
    use proto::import_row::Reference;
    let (portrait, template) = match row.reference {
        Some(Reference::Portrait(portrait)) => (Some(portrait), None),
        Some(Reference::Template(template)) => (None, Some(template)),
        None => (None, None),
    };
    let mut wire = Wire {
        subject: row.subject,
        portrait,
        template,
        captured_on: row.captured_on,
        source: row.source,
        biodata: None,
    };
    let body_digest = wire.digest("Enrollment.Import", keys);
    let nik = nik(wire.subject.take().unwrap_or_default());
    let mut violations = Vec::new();
    let content = match wire.reference(&mut violations) {
        Some(reference) if violations.is_empty() => Ok(RowContent { nik, reference }),
        _ => Err(in_words(&violations)),
    };
    ImportRow {
        number: row.row,
        body_digest,
        content,
    }
}

fn in_words(violations: &[Violation]) -> String {
    let words = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.field, violation.description));
    words.collect::<Vec<_>>().join("; ")
}

fn template(mut ready: proto::ReadyTemplate, violations: &mut Vec<Violation>) -> Option<Template> {
    let bytes = Zeroizing::new(std::mem::take(&mut ready.template));
    let id = ready.contract_id;
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
    let is_id = !id.is_empty() && id.len() <= CONTRACT_CHARS_MAX && id.chars().all(is_allowed);
    if !is_id || id == PORTRAIT {
        let why = "names the contract as GetServiceInfo does, for example model:0123456789abcdef";
        violations.push(violation("template.contract_id", why));
        return None;
    }
    let is_sized = bytes.len() <= TEMPLATE_BYTES_MAX;
    let read = is_sized.then(|| Template::from_bytes(ContractId::new(&id), &bytes).ok());
    let read = read.flatten();
    if read.is_none() {
        let why = "takes a byte 0x01 and an embedding of unit length, little-endian 32-bit \
                   numbers, of 16 KiB at most";
        violations.push(violation("template.template", why));
    }
    read
}

fn source(source: i32, violations: &mut Vec<Violation>) -> Option<Source> {
    match proto::ReferenceSource::try_from(source) {
        Ok(proto::ReferenceSource::Registry) => Some(Source::Registry),
        Ok(proto::ReferenceSource::CardChip) => Some(Source::CardChip),
        Ok(proto::ReferenceSource::Unspecified) | Err(_) => {
            violations.push(unknown_value("source", source));
            None
        }
    }
}

fn biodata(mut given: proto::Biodata, violations: &mut Vec<Violation>) -> Biodata {
    let sex = match proto::Sex::try_from(given.sex) {
        Ok(proto::Sex::Unspecified) => None,
        Ok(proto::Sex::Female) => Some(Sex::Female),
        Ok(proto::Sex::Male) => Some(Sex::Male),
        Err(_) => {
            violations.push(unknown_value("biodata.sex", given.sex));
            None
        }
    };
    let born_on = date(
        &given.birth_date,
        "biodata.birth_date",
        YEAR_MIN,
        violations,
    );
    given.birth_date.zeroize();
    Biodata { born_on, sex }
}

/// A day of the calendar up to today; none for an empty text.
fn date(
    text: &str,
    field: &'static str,
    year_min: i32,
    violations: &mut Vec<Violation>,
) -> Option<Date> {
    if text.is_empty() {
        return None;
    }
    // Where padan's offices are, the day begins before that of UTC.
    let today = (OffsetDateTime::now_utc() + time::Duration::hours(14)).date();
    let read = calendar_day(text).filter(|it| it.year() >= year_min && *it <= today);
    if read.is_none() {
        let why = format!("takes a day as YYYY-MM-DD, from {year_min} on and not in the future");
        violations.push(violation(field, &why));
    }
    read
}

/// Exactly `YYYY-MM-DD`.
fn calendar_day(text: &str) -> Option<Date> {
    let bytes = text.as_bytes();
    let is_digit_or_hyphen = |(at, byte): (usize, &u8)| match at {
        4 | 7 => *byte == b'-',
        _ => byte.is_ascii_digit(),
    };
    if bytes.len() != 10 || !bytes.iter().enumerate().all(is_digit_or_hyphen) {
        return None;
    }
    let mut parts = text.split('-');
    let year = parts.next()?.parse().ok()?;
    let month: u8 = parts.next()?.parse().ok()?;
    let day = parts.next()?.parse().ok()?;
    Date::from_calendar_date(year, Month::try_from(month).ok()?, day).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_is_written_one_way_and_is_in_the_calendar() {
        let day = calendar_day("2014-05-06").expect("a day");
        assert_eq!(day.to_string(), "2014-05-06");
        assert!(calendar_day("2012-02-29").is_some());
        for text in [
            "2014-5-6",
            "20140506",
            "2014-02-30",
            "2013-02-29",
            "2014-13-01",
            "2014-00-01",
            "+014-05-06",
            "2014-05-06 ",
            "２０１４-05-06",
            "06-05-2014",
            "2014-05-0é",
        ] {
            assert_eq!(calendar_day(text), None, "{text}");
        }
    }

    #[test]
    fn days_to_come_and_long_ago_are_refused() {
        for text in ["2999-01-01", "1949-12-31", "yesterday"] {
            let mut violations = Vec::new();
            assert_eq!(date(text, "captured_on", 1950, &mut violations), None);
            assert_eq!(violations.len(), 1, "{text}");
            assert!(!violations[0].description.contains(text));
        }
    }
}
