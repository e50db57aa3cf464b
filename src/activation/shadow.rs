//! A verification by NIK for a candidate in shadow: the candidate knows no template of its own, so
//! it needs the portrait that the template was made from.

use std::sync::Arc;

use bytes::Bytes;

use super::{Activation, Ask, Progress};
use crate::records::Records;
use crate::serving::{Lineup, Offer};
use crate::subject::SubjectHash;

impl Activation {
    /// Offers what was decided to the candidate, if one is tried.
    pub(super) fn offer(&self, ask: &Ask, lineup: &Lineup, progress: &Progress) {
        let (Some(shadow), Some(made)) = (lineup.shadow(), &progress.verification) else {
            return;
        };
        let offer = || {
            let (subject, reference) = (progress.subject?, progress.reference.as_ref()?);
            let portrait = portrait(Arc::clone(&self.records), subject, reference.version);
            Some(Offer {
                probe: ask.probe.clone(),
                reference: Box::pin(portrait),
            })
        };
        shadow.offer(lineup, made, offer);
    }
}

/// The portrait of this version of a subject, where it is kept.
async fn portrait(records: Arc<Records>, subject: SubjectHash, version: u64) -> Option<Bytes> {
    match records.portrait(subject, version).await {
        Ok(portrait) => portrait,
        Err(error) => {
            tracing::warn!(%error, "a kept portrait cannot be read");
            None
        }
    }
}
