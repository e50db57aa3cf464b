//! What changes without a portrait: announcing, deleting, blocking, refusing.

use super::put::described;
use super::{
    Answer, Ask, Enrolment, EnrolmentError, NewReference, Outcome, TRIES_MAX, answered, claim, told,
};
use crate::audit::{Entry, Event, Text, Timestamp};
use crate::decision::ReasonCode;
use crate::records::SealedKey;
use crate::store::{Announce, DeleteReferences, Deleted, Note, SetBlocked, SubjectStatus};

impl Enrolment {
    /// Makes a subject known whose portrait is not there yet.
    ///
    /// # Errors
    /// When the database or the keys fail.
    pub async fn announce(&self, ask: &Ask) -> Result<Answer, EnrolmentError> {
        if let Some(answer) = self.repeated(ask).await? {
            return Ok(answer);
        }
        let Some(subject) = self.subject(ask) else {
            return self.refuse_nik(ask, "announce", None).await;
        };
        let contract = self.served();
        for _ in 0..TRIES_MAX {
            let found = self.records.store().subject(subject, contract.as_str());
            let row = found.await?.map(|(row, _)| row);
            if row
                .as_ref()
                .is_some_and(|row| row.status != SubjectStatus::Erased)
            {
                return self.unchanged(ask, "announce").await;
            }
            let key = self
                .records
                .with_keys(move |keys| SealedKey::fresh(keys, subject));
            // A fresh key always comes wrapped.
            let new_key = key.await?.new.ok_or(EnrolmentError::Contended)?;
            let at_us = Timestamp::now().microseconds();
            let answer = Answer::new(Outcome::Done);
            let announce = Announce {
                subject,
                expected_version: row.map_or(0, |row| row.version),
                new_key,
                at_us,
                claim: Some(claim(ask, &answer, at_us)),
                entry: self.entry(Event::ReferenceChanged, ask, "announce"),
            };
            let changed = self.records.store().announce(announce).await?;
            if let Some(answer) = told(changed, answer)? {
                return Ok(answer);
            }
        }
        Err(EnrolmentError::Contended)
    }

    /// Removes all references of a subject, which stays known.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete(&self, ask: &Ask) -> Result<Answer, EnrolmentError> {
        if let Some(answer) = self.repeated(ask).await? {
            return Ok(answer);
        }
        let Some(subject) = self.subject(ask) else {
            return self.refuse_nik(ask, "delete", None).await;
        };
        if self.records.store().contracts(subject).await?.is_empty() {
            return self.unchanged(ask, "delete").await;
        }
        let answer = Answer::new(Outcome::Done);
        let at_us = Timestamp::now().microseconds();
        let delete = DeleteReferences {
            subject,
            contract_id: None,
            claim: Some(claim(ask, &answer, at_us)),
            entry: self.entry(Event::ReferenceChanged, ask, "delete"),
        };
        match self.records.store().delete_references(delete).await? {
            Deleted::Done(_) => Ok(answer),
            Deleted::Repeated(reply) => answered(&reply),
            Deleted::OtherBody => Err(EnrolmentError::OtherBody),
        }
    }

    /// Blocks a subject, or ends that.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_blocked(&self, ask: &Ask, blocked: bool) -> Result<Answer, EnrolmentError> {
        let operation = if blocked { "block" } else { "unblock" };
        if let Some(answer) = self.repeated(ask).await? {
            return Ok(answer);
        }
        let Some(subject) = self.subject(ask) else {
            return self.refuse_nik(ask, operation, None).await;
        };
        let answer = Answer::new(Outcome::Done);
        let at_us = Timestamp::now().microseconds();
        let set = SetBlocked {
            subject,
            blocked,
            at_us,
            claim: Some(claim(ask, &answer, at_us)),
            entry: self.entry(Event::ReferenceChanged, ask, operation),
        };
        let changed = self.records.store().set_blocked(set).await?;
        if let Some(answer) = told(changed, answer)? {
            return Ok(answer);
        }
        let refused = Answer::refused(vec![ReasonCode::ReferenceNotFound]);
        self.refuse(ask, operation, None, refused).await
    }

    /// Refuses a number that is no NIK.
    pub(super) async fn refuse_nik(
        &self,
        ask: &Ask,
        operation: &str,
        new: Option<&NewReference>,
    ) -> Result<Answer, EnrolmentError> {
        let refused = Answer::refused(vec![ReasonCode::NikMalformed]);
        self.refuse(ask, operation, new, refused).await
    }

    /// Refuses a request, which leaves an entry.
    pub(super) async fn refuse(
        &self,
        ask: &Ask,
        operation: &str,
        new: Option<&NewReference>,
        answer: Answer,
    ) -> Result<Answer, EnrolmentError> {
        let mut entry = self.entry(Event::CallRefused, ask, operation);
        if let Some(new) = new {
            entry = described(entry, new);
        }
        let names = answer.reasons.iter().map(|reason| reason.name());
        entry.reasons = names.map(Text::fitted).collect();
        if let Some(problem) = &answer.problem {
            entry.detail("problem", problem);
        }
        self.note(ask, entry, answer).await
    }

    /// There is nothing to do, which leaves an entry, too.
    async fn unchanged(&self, ask: &Ask, operation: &str) -> Result<Answer, EnrolmentError> {
        let mut entry = self.entry(Event::ReferenceChanged, ask, operation);
        entry.detail("outcome", "unchanged");
        self.note(ask, entry, Answer::new(Outcome::Unchanged)).await
    }

    async fn note(
        &self,
        ask: &Ask,
        entry: Entry,
        answer: Answer,
    ) -> Result<Answer, EnrolmentError> {
        let claim = claim(ask, &answer, Timestamp::now().microseconds());
        let note = Note {
            claim: Some(claim),
            entry,
        };
        let noted = self.records.store().note(note).await?;
        Ok(told(noted, answer.clone())?.unwrap_or(answer))
    }
}
