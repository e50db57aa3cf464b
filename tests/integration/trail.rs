//! The audit trail of a running service, on both databases: checked, queried, exported, and
//! compared with the journal at start.

mod command;
mod questions;
mod reads;
mod restore;
mod start;
mod tampering;

use std::sync::Arc;
use std::time::Duration;

use padan::access::{Caller, Role};
use padan::audit::{ChainReport, Entry, Event, ExportReport, Text, verify_export};
use padan::compare::Similarity;
use padan::decision::Policy;
use padan::embed::ContractId;
use padan::grpc::proto;
use padan::grpc::{AuditService, proto::audit_server::Audit};
use padan::keys::KeyRing;
use padan::records::Records;
use padan::store::{SqlStore, Store};
use padan::trail::{
    CHECKPOINTS_FILE, Checkpointer, Extent, Journal, Part, Trail, note_start, note_stop,
};
use time::OffsetDateTime;
use tokio_stream::StreamExt as _;
use tonic::{Request, Status};

use crate::store::{Home, entry, name, on_both};
use crate::support::{TestFolder, eventually};

on_both!(
    what_the_store_wrote_is_intact_here_and_in_an_export,
    an_empty_trail_is_an_intact_export,
    a_part_of_the_trail_is_checked_and_exported_alone,
    a_chain_that_grew_is_signed_in_the_database_and_in_the_journal,
    a_chain_that_did_not_grow_is_not_signed_again_by_the_next_process,
    a_service_that_starts_and_stops_says_so,
);

/// All of the trail.
pub const WHOLE: Part = Part {
    writer: None,
    extent: Extent::From(1),
};

/// A process of padan with its keys and its journal.
pub struct Scene {
    pub store: Arc<SqlStore>,
    pub records: Arc<Records>,
    pub journal: Journal,
    folder: Arc<TestFolder>,
}

impl Scene {
    pub async fn new(home: &Home, writer: &str) -> Self {
        let keys = KeyRing::ephemeral(OffsetDateTime::now_utc()).expect("random bytes");
        let folder = Arc::new(TestFolder::new(&format!("trail-{}", unique())));
        Self::with(home, writer, Arc::new(keys), folder).await
    }

    /// Another process on the same database, with the same keys and journal.
    pub async fn beside(&self, home: &Home, writer: &str) -> Self {
        let (keys, folder) = (Arc::clone(self.records.keys()), Arc::clone(&self.folder));
        Self::with(home, writer, keys, folder).await
    }

    async fn with(home: &Home, writer: &str, keys: Arc<KeyRing>, folder: Arc<TestFolder>) -> Self {
        let store = Arc::new(home.open(writer).await);
        let shared = Arc::clone(&store) as Arc<dyn Store>;
        let records = Records::open(shared, keys, name(writer)).await;
        Self {
            store,
            records: Arc::new(records.expect("the keys fit")),
            journal: Journal::open(folder.path().join("journal")).expect("a folder"),
            folder,
        }
    }

    /// Entries that say `entry 1`, `entry 2` and so on.
    pub async fn write(&self, numbers: std::ops::RangeInclusive<u32>) {
        for number in numbers {
            let what = entry(&format!("entry {number}"));
            self.store.append(what).await.expect("appends");
        }
    }

    /// Signs where the chain stands.
    pub async fn sign(&self) {
        let hour = Duration::from_hours(1);
        let checkpointer =
            Checkpointer::start(Arc::clone(&self.records), self.journal.clone(), hour);
        checkpointer.stop().await.expect("signs");
    }

    pub fn trail(&self) -> Trail {
        Trail::new(Arc::clone(&self.records), self.journal.clone(), &[])
    }

    pub fn service(&self) -> AuditService {
        AuditService::of(Arc::new(self.trail()))
    }

    /// What a check finds, chain by chain; leaves no entry.
    pub async fn check(&self, part: &Part) -> Vec<ChainReport> {
        let mut verification = self.trail().verify(part).await.expect("readable");
        let mut reports = Vec::new();
        while let Some(report) = verification.next(&mut |_| {}).await.expect("readable") {
            reports.push(report);
        }
        reports
    }

    /// The export file of a part; leaves no entry.
    pub async fn export(&self, part: &Part) -> String {
        let mut export = self.trail().export(part).await.expect("readable");
        let mut file = String::new();
        while let Some(piece) = export.next().await.expect("readable") {
            file.push_str(&piece);
        }
        file
    }

    /// What an auditor finds in an export, with the public key that they have.
    pub fn verify_file(&self, file: &str) -> ExportReport {
        let key = self.records.keys().audit_key().public();
        verify_export(file.as_bytes(), Some(key), &mut |_| {}).expect("an export")
    }

    /// The details of the last entries of this process, last first.
    pub async fn last_entries(&self, count: usize) -> Vec<Entry> {
        let chain = self.store.chain(self.records.writer(), 1, 10_000).await;
        let chain = chain.expect("readable").into_iter().rev().take(count);
        chain
            .map(|it| Entry::parse(&it.text).expect("an entry"))
            .collect()
    }
}

fn unique() -> usize {
    static COUNT: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed)
}

/// An auditor, of one office or of all.
pub fn auditor(office: Option<&str>) -> Caller {
    Caller {
        name: Text::fitted("auditor-1"),
        role: Role::Auditor,
        office: office.map(Text::fitted),
        is_certified: true,
    }
}

pub fn asked<T>(message: T) -> Request<T> {
    asked_by(auditor(None), message)
}

pub fn asked_by<T>(caller: Caller, message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(caller);
    request
}

/// The reports of `VerifyChain`.
pub async fn verify_chain(service: &AuditService) -> Result<Vec<proto::ChainReport>, Status> {
    let request = asked(proto::VerifyChainRequest::default());
    let mut events = service.verify_chain(request).await?.into_inner();
    let mut reports = Vec::new();
    while let Some(event) = events.next().await {
        use proto::verify_chain_response::Event;
        match event?.event.expect("is set") {
            Event::Chain(report) => reports.push(report),
            Event::Progress(progress) => assert!(progress.entries > 0),
        }
    }
    Ok(reports)
}

async fn what_the_store_wrote_is_intact_here_and_in_an_export(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let other = scene.beside(home, "b").await;
    scene.write(1..=7).await;
    scene.sign().await;
    scene.write(8..=10).await;
    other.write(1..=600).await;
    other.sign().await;
    let reports = verify_chain(&scene.service()).await.expect("is answered");
    let found: Vec<_> = reports
        .iter()
        .map(|it| {
            (
                it.writer.as_str(),
                it.entries,
                it.signed_to,
                it.findings.len(),
            )
        })
        .collect();
    // The entry about the check is the eleventh.
    assert_eq!(found, [("a", 11, 7, 0), ("b", 600, 600, 0)]);
    let request = asked(proto::ExportRequest::default());
    let pieces = scene.service().export(request).await.expect("is answered");
    let mut pieces = pieces.into_inner();
    let mut file = Vec::new();
    while let Some(piece) = pieces.next().await {
        file.extend(piece.expect("comes").data);
    }
    let report = scene.verify_file(std::str::from_utf8(&file).expect("UTF-8"));
    assert!(report.is_intact() && report.header_is_signed, "{report:?}");
    let chains: Vec<_> = report
        .chains
        .iter()
        .map(|it| (it.writer.as_str(), it.entries, it.checkpoints))
        .collect();
    assert_eq!(chains, [("a", 12, 1), ("b", 600, 1)]);
}

async fn an_empty_trail_is_an_intact_export(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let report = scene.verify_file(&scene.export(&WHOLE).await);
    assert!(report.is_intact(), "{report:?}");
    assert_eq!(report.lines, 1);
    assert!(
        scene
            .check(&WHOLE)
            .await
            .iter()
            .all(|it| it.findings.is_empty())
    );
}

async fn a_part_of_the_trail_is_checked_and_exported_alone(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let other = scene.beside(home, "b").await;
    scene.write(1..=4).await;
    scene.sign().await;
    scene.write(5..=9).await;
    scene.sign().await;
    other.write(1..=3).await;
    let part = |extent| Part {
        writer: Some(name("a")),
        extent,
    };
    let now = crate::store::NOW;
    for (extent, entries) in [
        (Extent::From(4), 6),
        (Extent::From(10), 0),
        (Extent::Sequences(2, 5), 4),
        (Extent::Sequences(2, 500), 8),
        (Extent::Times(now, now + 1), 9),
    ] {
        let reports = scene.check(&part(extent)).await;
        assert_eq!(reports[0].entries, entries, "{extent:?}");
        assert!(reports[0].findings.is_empty(), "{extent:?}: {reports:?}");
        let report = scene.verify_file(&scene.export(&part(extent)).await);
        assert!(report.is_intact(), "{extent:?}: {report:?}");
        assert_eq!(report.chains[0].entries, entries, "{extent:?}");
        assert_eq!(report.chains.len(), 1);
    }
    let nothing = Part {
        writer: None,
        extent: Extent::Times(0, now),
    };
    assert_eq!(scene.check(&nothing).await, []);
    let beyond = scene.trail().verify(&part(Extent::From(11))).await;
    let error = beyond.err().expect("is refused").to_string();
    assert!(error.contains("the chain of a ends at 9"), "{error}");
    let nobody = Part {
        writer: Some(name("nobody")),
        ..WHOLE
    };
    assert!(scene.trail().verify(&nobody).await.is_err());
}

async fn a_chain_that_grew_is_signed_in_the_database_and_in_the_journal(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let period = Duration::from_millis(5);
    let checkpointer =
        Checkpointer::start(Arc::clone(&scene.records), scene.journal.clone(), period);
    scene.write(1..=3).await;
    let signed = async || {
        let found = scene.store.checkpoints(&name("a"), 3, 10).await;
        found.expect("readable").len() == 1
    };
    eventually("the chain is signed while padan runs", signed).await;
    scene.write(4..=5).await;
    checkpointer.stop().await.expect("signs");
    let stored = scene
        .store
        .checkpoints(&name("a"), 1, 10)
        .await
        .expect("readable");
    let lines = scene.journal.lines(CHECKPOINTS_FILE).expect("readable");
    let lines: Vec<String> = lines.map(|line| line.expect("whole").text).collect();
    let texts: Vec<String> = stored
        .iter()
        .map(|it| {
            padan::trail::checkpoint_of(it)
                .expect("a checkpoint")
                .to_text()
        })
        .collect();
    assert_eq!(texts, lines);
    assert_eq!(stored.last().map(|it| it.position.sequence), Some(5));
    // A chain that did not grow is not signed again.
    assert!(stored.len() <= 5, "{stored:?}");
    assert_eq!(scene.check(&WHOLE).await[0].signed_to, 5);
}

async fn a_chain_that_did_not_grow_is_not_signed_again_by_the_next_process(home: &Home) {
    let scene = Scene::new(home, "a").await;
    let lines = || {
        let lines = scene.journal.lines(CHECKPOINTS_FILE).expect("readable");
        lines.count()
    };
    scene.write(1..=3).await;
    scene.sign().await;
    scene.sign().await;
    assert_eq!(lines(), 1);
    // The journal is what counts: where it forgot, it is told again.
    let file = scene.journal.folder().join(CHECKPOINTS_FILE);
    std::fs::remove_file(file).expect("is there");
    scene.sign().await;
    assert_eq!(lines(), 1);
    scene.write(4..=4).await;
    scene.sign().await;
    assert_eq!(lines(), 2);
}

async fn a_service_that_starts_and_stops_says_so(home: &Home) {
    let policy = |id: &str, threshold: f32| Policy {
        id: id.to_owned(),
        version: format!("{id}@01234567"),
        contract_id: ContractId::new("m:1"),
        threshold: Similarity::new(threshold),
        review_from: Similarity::new(0.25),
        fmr: 1e-4,
        fmr_interval: (1e-5, 1e-3),
        impostor_count: 1,
        scoring: padan::compare::Scoring::Cosine,
        data_sha256: String::new(),
    };
    let scene = Scene::new(home, "a").await;
    let policies = [policy("activation", 0.5), policy("strict", 0.75)];
    let started = note_start(&scene.records, policies.iter()).await;
    started.expect("writes");
    note_stop(&scene.records).await.expect("writes");
    let entries = scene.last_entries(9).await;
    let [stopped, started] = entries.as_slice() else {
        panic!("{entries:?}");
    };
    assert_eq!([stopped.event, started.event], [Event::ServiceChanged; 2]);
    let said = |entry: &Entry, name: &str| {
        let said = entry.details.get(&Text::fitted(name));
        said.map(ToString::to_string)
    };
    assert_eq!(said(stopped, "what").as_deref(), Some("stopped"));
    assert_eq!(said(started, "what").as_deref(), Some("started"));
    // A change of policies is this entry.
    assert_eq!(
        said(started, "policy strict").as_deref(),
        Some("strict@01234567: match from 0.75, review from 0.25, FMR 0.0001")
    );
    assert!(said(started, "policy activation").is_some());
    assert_eq!(started.contracts, [Text::fitted("m:1")]);
}
