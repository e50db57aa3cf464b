//! A database that cannot be written, because its disk is full or a file of it may not grow: a
//! clear error, no decision and no token; and once there is space, the same server goes on.
//!
//! `make full-disk` runs this on a small file system that is full. Without one, files may not grow
//! (SQLite), or the database only says what it says on a full disk (PostgreSQL).

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use padan::audit::Event;
use padan::grpc::proto::enrollment_client::EnrollmentClient;
use padan::grpc::proto::face_verification_client::FaceVerificationClient;
use padan::grpc::proto::{self, Decision, ReferenceStatus, VerifyRequest, VerifyResponse};
use padan::store::Store as _;
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::crash::{assert_used_up, configuration, connect, enrol_woman, redeem, start};
use crate::enrolled::{WOMAN, activation_request};
use crate::enrolment::whom;
use crate::store::{Home, whole_chain};
use crate::support::{ServerProcess, TestFolder, assert_says, eventually, retry_delay};

/// Verifications that are asked for at most until the disk is full: PostgreSQL has room in the
/// last page of each of its files.
const ASKED_MAX: usize = 500;

/// Refused verifications that are asked for again when there is space.
const REFUSED: usize = 3;

/// Never more than this is written to the small file system, which must be smaller.
const BALLAST_BYTES_MAX: usize = 1 << 30;

/// What PostgreSQL says on a full disk, whatever is to be put on record.
const REFUSE: &str = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = 'disk_full'; END $$;
    CREATE TRIGGER full_disk BEFORE INSERT ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse()";
const ALLOW: &str = "DROP TRIGGER full_disk ON audit_entries";

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_refuses_is_decided_by_the_same_server_later_on_sqlite() {
    survive(&Home::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_full_disk_refuses_is_decided_by_the_same_server_later_on_postgres() {
    survive(&Home::postgres().await).await;
}

/// The folder of the small file system, if there is one.
#[expect(
    clippy::disallowed_methods,
    reason = "`make full-disk` says where the small file system is"
)]
fn small_disk() -> Option<PathBuf> {
    std::env::var_os("PADAN_SMALL_DISK").map(PathBuf::from)
}

/// How the database is kept from writing.
enum Shortage {
    /// No file may grow that the server writes.
    FileSize,
    /// The database says so.
    Words,
    /// A file that leaves no space to others.
    Ballast(PathBuf),
}

impl Shortage {
    fn of(home: &Home) -> Self {
        if let Some(disk) = small_disk() {
            let is_there = home.folder().starts_with(&disk);
            assert!(is_there, "TMPDIR must be PADAN_SMALL_DISK");
            return Self::Ballast(disk.join("ballast"));
        }
        match home {
            Home::Sqlite(_) => Self::FileSize,
            Home::Postgres { .. } => Self::Words,
        }
    }

    /// Whether nothing at all can be written from the first moment on.
    fn is_total(&self) -> bool {
        !matches!(self, Self::Ballast(_))
    }

    async fn begin(&self, home: &Home, server: &ServerProcess) {
        match self {
            Self::FileSize => {
                let log = std::fs::metadata(home.folder().join("padan.db-wal"));
                // The next write is torn in the middle of a page.
                let bytes = log.expect("is open").len() + 1000;
                server.limit_file_size(Some(bytes));
            }
            Self::Words => home.execute(REFUSE).await.expect("a trigger"),
            Self::Ballast(path) => {
                if matches!(home, Home::Postgres { .. }) {
                    make_room_in_log(home).await;
                }
                fill(path);
            }
        }
    }

    async fn end(&self, home: &Home, server: &ServerProcess) {
        match self {
            Self::FileSize => server.limit_file_size(None),
            Self::Words => home.execute(ALLOW).await.expect("no trigger"),
            Self::Ballast(path) => std::fs::remove_file(path).expect("is there"),
        }
    }
}

/// PostgreSQL begins a new file of its log, and keeps the old ones for what comes: without one, it
/// would end itself on a full disk, which is its own affair.
async fn make_room_in_log(home: &Home) {
    for statement in ["CHECKPOINT", "SELECT pg_switch_wal()", "CHECKPOINT"] {
        home.execute(statement).await.expect("is done");
    }
}

/// Leaves no page free.
fn fill(path: &Path) {
    let mut file = File::create(path).expect("a new file");
    for piece in [1 << 20, 1 << 12] {
        let bytes = vec![1; piece];
        let mut pieces = 0..BALLAST_BYTES_MAX / piece;
        let refused = pieces.find_map(|_| file.write_all(&bytes).err());
        let refused = refused.expect("PADAN_SMALL_DISK is a small file system");
        assert_eq!(refused.kind(), ErrorKind::StorageFull, "{refused}");
    }
}

async fn survive(home: &Home) {
    let keys = TestFolder::unique("full-disk");
    enrol_woman(home, &keys).await;
    let server = start(&configuration(home, &keys));
    let channel = connect(&server.url).await.expect("connects");
    let first = request("first");
    let token = matched(verify(&channel, &first).await);
    let mut told = BTreeSet::from([id_of(&first)]);
    let shortage = Shortage::of(home);
    shortage.begin(home, &server).await;
    let refused = ask_until_refused(&channel, &mut told).await;
    let used = redeem(&channel, token.clone()).await;
    if let Err(status) = &used {
        assert_no_space(status);
    }
    if shortage.is_total() {
        assert!(told.len() == 1 && used.is_err(), "{told:?}, {used:?}");
    }
    assert_is_ready(&channel).await;
    shortage.end(home, &server).await;
    for request in &refused {
        decided(&channel, request).await;
        told.insert(id_of(request));
    }
    if used.is_err()
        && let Err(status) = redeem(&channel, token.clone()).await
    {
        // Only where all of this took longer than a token lives.
        let info = status.get_details_error_info().expect("has a reason");
        assert_eq!(info.reason, "TOKEN_EXPIRED", "{status}");
    }
    assert_used_up(&channel, &[token]).await;
    let (code, _, log) = server.terminate();
    assert_eq!(code, Some(0), "{log}");
    assert_says(&log, &["the database cannot be written"]);
    assert_on_record(home, told).await;
}

fn request(id: &str) -> VerifyRequest {
    activation_request(id, WOMAN, "person_a_2.jpg")
}

fn id_of(request: &VerifyRequest) -> String {
    let meta = request.meta.as_ref().expect("is there");
    meta.request_id.clone()
}

async fn verify(channel: &Channel, request: &VerifyRequest) -> Result<VerifyResponse, Status> {
    let mut client = FaceVerificationClient::new(channel.clone());
    Ok(client.verify(request.clone()).await?.into_inner())
}

/// The token of a match.
fn matched(answer: Result<VerifyResponse, Status>) -> String {
    let answer = answer.expect("a decision");
    assert_eq!(answer.decision(), Decision::Match);
    assert!(!answer.result_token.is_empty());
    answer.result_token
}

/// Asks under ever new ids until some were refused, which are returned. Whatever else is answered
/// is told.
async fn ask_until_refused(channel: &Channel, told: &mut BTreeSet<String>) -> Vec<VerifyRequest> {
    let mut refused = Vec::new();
    for number in 0..ASKED_MAX {
        let request = request(&format!("full-{number}"));
        let answer = verify(channel, &request).await;
        if let Err(status) = &answer {
            assert_no_space(status);
            refused.push(request);
        } else {
            matched(answer);
            told.insert(id_of(&request));
        }
        if refused.len() == REFUSED {
            break;
        }
    }
    assert_eq!(refused.len(), REFUSED, "the disk is not full");
    refused
}

fn assert_no_space(status: &Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status}");
    let info = status.get_details_error_info().expect("has a reason");
    assert_eq!(info.reason, "STORE", "{status}");
    assert!(retry_delay(status).is_some(), "{status}");
    let parts = ["disk is full", "nothing was done", "free space"];
    assert_says(status.message(), &parts);
}

/// What is only read is answered all the time.
async fn assert_is_ready(channel: &Channel) {
    let request = proto::GetStatusRequest {
        meta: None,
        subject: whom(WOMAN),
    };
    let mut client = EnrollmentClient::new(channel.clone());
    let status = client.get_status(request).await.expect("an answer");
    assert_eq!(status.into_inner().status(), ReferenceStatus::Ready);
}

/// A request that was refused is decided by the same server, as soon as the database is back.
async fn decided(channel: &Channel, request: &VerifyRequest) {
    let mut answer = verify(channel, request).await;
    eventually("a verification is decided again", async || {
        if answer.is_err() {
            answer = verify(channel, request).await;
        }
        answer.is_ok()
    })
    .await;
    matched(answer);
}

/// The chain is whole, and has one entry for each decision that was told.
async fn assert_on_record(home: &Home, told: BTreeSet<String>) {
    let store = home.open("inspector").await;
    let entries = whole_chain(&store, "crashing").await;
    store.close().await;
    let decisions = entries
        .into_iter()
        .filter(|entry| entry.event == Event::Verification);
    let mut ids: Vec<String> = decisions
        .map(|entry| entry.request.expect("has an id").to_string())
        .collect();
    ids.sort();
    let told: Vec<String> = told.into_iter().collect();
    assert_eq!(ids, told);
}
