//! A portrait or a template to a stored reference.

use time::OffsetDateTime;

use super::{
    Answer, Ask, Enrolment, EnrolmentError, Material, NewReference, Outcome, TRIES_MAX, claim, told,
};
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::decision::ReasonCode;
use crate::embed::Template;
use crate::pipeline::SampleTimes;
use crate::records::{Facts, Place, RecordsError, SealedKey};
use crate::store::{PutReference, Subject};
use crate::subject::{NikWarning, SubjectHash};
use crate::verify::{Urgency, VerifyError};

/// Passed the limits for references.
const QUALITY_PASSED: &str = "PASSED";
/// Made elsewhere.
const QUALITY_UNKNOWN: &str = "NOT_ASSESSED";

/// What became of the material.
enum Made {
    Template(Template, Option<SampleTimes>),
    Faults(Vec<ReasonCode>, SampleTimes),
}

/// A template on its way into the store.
#[derive(Clone)]
struct Sealing {
    subject: SubjectHash,
    template: Template,
    portrait: Option<bytes::Bytes>,
    facts: Facts,
}

impl Enrolment {
    /// Enrols a portrait or a template, or replaces the one of the same contract. What was made of
    /// another portrait goes, whatever its contract.
    ///
    /// # Errors
    /// When nothing was stored for another reason than the portrait's faults or the NIK.
    pub async fn put(
        &self,
        ask: &Ask,
        new: &NewReference,
        urgency: Urgency,
    ) -> Result<Answer, EnrolmentError> {
        if let Some(answer) = self.repeated(ask).await? {
            return Ok(answer);
        }
        let (Ok(nik), Some(subject)) = (&ask.nik, self.subject(ask)) else {
            return self.refuse_nik(ask, "put", Some(new)).await;
        };
        let now = OffsetDateTime::now_utc();
        let warnings = nik.warnings(&new.biodata, now.date());
        let warnings: Vec<_> = warnings.into_iter().map(NikWarning::name).collect();
        let (template, times) = match self.make(&new.material, urgency).await? {
            Made::Template(template, times) => (template, times),
            Made::Faults(reasons, times) => {
                let refused = Answer::refused(reasons);
                let answer = self.refuse(ask, "put", Some(new), refused).await?;
                let times = Some(times);
                return Ok(Answer { times, ..answer });
            }
        };
        let answer = self.seal_and_store(ask, new, &warnings, subject, template);
        let answer = answer.await?;
        Ok(Answer { times, ..answer })
    }

    async fn make(&self, material: &Material, urgency: Urgency) -> Result<Made, EnrolmentError> {
        let image = match material {
            Material::Template(template) => {
                self.check_dimension(template)?;
                return Ok(Made::Template(template.clone(), None));
            }
            Material::Portrait(image) => image.clone(),
        };
        let seen = self.verifier.enrol(image, urgency).await?;
        if !seen.faults.is_empty() {
            return Ok(Made::Faults(seen.faults, seen.times));
        }
        let missing = || VerifyError::Internal("a fit portrait gave no template".to_owned());
        let template = seen.template.ok_or_else(missing)?;
        Ok(Made::Template(template, Some(seen.times)))
    }

    /// Of the contracts of loaded models only: others are not known here.
    fn check_dimension(&self, template: &Template) -> Result<(), EnrolmentError> {
        let found = template.embedding.as_slice().len();
        let lineup = self.verifier.lineup();
        let model = lineup.of_contract(&template.contract_id);
        match model.and_then(|model| model.embedder().dimension) {
            Some(expected) if found != expected => {
                Err(EnrolmentError::Dimension { found, expected })
            }
            _ => Ok(()),
        }
    }

    async fn seal_and_store(
        &self,
        ask: &Ask,
        new: &NewReference,
        warnings: &[&str],
        subject: SubjectHash,
        template: Template,
    ) -> Result<Answer, EnrolmentError> {
        let at_us = Timestamp::now().microseconds();
        let (portrait, quality) = match &new.material {
            Material::Portrait(image) => (Some(image.clone()), QUALITY_PASSED),
            Material::Template(_) => (None, QUALITY_UNKNOWN),
        };
        let sealing = Sealing {
            subject,
            portrait: portrait.filter(|_| self.settings.keep_portraits),
            facts: Facts {
                captured_on: new.captured_on.clone(),
                source: new.source.name().to_owned(),
                quality: quality.to_owned(),
                created_us: at_us,
            },
            template,
        };
        let contract = sealing.template.contract_id.clone();
        for _ in 0..TRIES_MAX {
            let found = self.records.store().subject(subject, contract.as_str());
            let row = found.await?.map(|(row, _)| row);
            let version = row.as_ref().map_or(0, |row| row.version) + 1;
            let answer = Answer {
                version: Some(version),
                contract_id: Some(contract.as_str().to_owned()),
                warnings: warnings.iter().map(|&name| name.to_owned()).collect(),
                ..Answer::new(Outcome::Done)
            };
            let mut put = self.sealed(sealing.clone(), row, ask, new).await?;
            put.entry.contracts = vec![Text::fitted(contract.as_str())];
            put.entry.reference_version = Some(version);
            if !warnings.is_empty() {
                put.entry.detail("warnings", &warnings.join(","));
            }
            put.claim = Some(claim(ask, &answer, at_us));
            let changed = self.records.store().put_reference(put).await?;
            if let Some(answer) = told(changed, answer)? {
                return Ok(answer);
            }
        }
        Err(EnrolmentError::Contended)
    }

    /// Sealed for the version after that of `row`.
    async fn sealed(
        &self,
        sealing: Sealing,
        row: Option<Subject>,
        ask: &Ask,
        new: &NewReference,
    ) -> Result<PutReference, RecordsError> {
        let entry = described(self.entry(Event::ReferenceChanged, ask, "put"), new);
        let seal = move |keys: &crate::keys::KeyRing| {
            let subject = sealing.subject;
            let expected_version = row.as_ref().map_or(0, |row| row.version);
            let sealed = SealedKey::of(keys, subject, row.as_ref())?;
            let place = Place {
                subject,
                key: &sealed.key,
                version: expected_version + 1,
            };
            let facts = || sealing.facts.clone();
            let portrait = sealing.portrait.as_ref();
            let portrait = portrait.map(|image| place.portrait(image, facts()));
            Ok(PutReference {
                subject,
                expected_version,
                reference: place.template(&sealing.template, facts())?,
                portrait: portrait.transpose()?,
                new_key: sealed.new,
                claim: None,
                entry,
            })
        };
        self.records.with_keys(seal).await
    }
}

/// What the trail says about a reference.
pub(super) fn described(mut entry: Entry, new: &NewReference) -> Entry {
    entry.detail("source", new.source.name());
    if let Some(date) = &new.captured_on {
        entry.detail("captured_on", date);
    }
    entry
}
