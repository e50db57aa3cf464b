//! What somebody did to the database, the keys or the disk is found, and nothing is decided by it.

use padan::app::App;
use padan::audit::{Event, Text};
use padan::grpc::proto::Decision;
use padan::keys::KeySource;
use padan::store::Location;
use time::OffsetDateTime;
use tonic::Code;

use crate::activation::Office;
use crate::enrolled::{MAN, WOMAN, activation_request, config_of, subject_of};
use crate::store::{Home, on_both};
use crate::support::postgres::Postgres;
use crate::support::{TestFolder, TestServer, assert_says, config};

on_both!(
    duty_4_swapped_rows_do_not_open_and_no_comparison_is_made,
    an_edited_template_does_not_open,
    duty_4_a_single_bit_of_a_sealed_template_is_enough,
    duty_7_where_no_entry_can_be_written_no_match_is_released,
    other_keys_are_refused_at_the_start,
    duty_4_a_database_without_its_keys_yields_no_comparison,
);

/// The woman's request fails, and nothing was compared or decided.
async fn assert_nothing_is_decided(office: &Office, id: &str) {
    let before = office.entries(Event::Verification).await.len();
    let refused = office
        .server
        .verify(activation_request(id, WOMAN, "person_a_2.jpg"))
        .await
        .expect_err("the reference does not open");
    assert_eq!(refused.code(), Code::Internal, "{refused}");
    assert_eq!(office.entries(Event::Verification).await.len(), before);
}

async fn duty_4_swapped_rows_do_not_open_and_no_comparison_is_made(home: &Home) {
    // Whole rows: template, nonce and version of the other subject, then also its key.
    const REFERENCES: &str = "CREATE TABLE held AS SELECT * FROM face_references;
        UPDATE face_references SET
        ciphertext = (SELECT ciphertext FROM held WHERE held.subject <> face_references.subject),
        nonce = (SELECT nonce FROM held WHERE held.subject <> face_references.subject);
        DROP TABLE held;";
    const KEYS: &str = "CREATE TABLE held AS SELECT * FROM subjects;
        UPDATE subjects SET
        wrapped_key = (SELECT wrapped_key FROM held WHERE held.subject <> subjects.subject);
        DROP TABLE held;";
    let office = Office::open(home).await;
    home.execute(REFERENCES).await.expect("swapped");
    assert_nothing_is_decided(&office, "references-swapped").await;
    home.execute(KEYS).await.expect("swapped");
    assert_nothing_is_decided(&office, "keys-swapped-too").await;
    // Both back where they belong: the test's statements did what they say.
    home.execute(REFERENCES).await.expect("swapped");
    home.execute(KEYS).await.expect("swapped");
    let request = activation_request("back", WOMAN, "person_a_2.jpg");
    assert_eq!(office.verify(request).await.decision(), Decision::Match);
}

async fn an_edited_template_does_not_open(home: &Home) {
    let office = Office::open(home).await;
    for (id, statement) in [
        (
            "version",
            "UPDATE face_references SET row_version = row_version + 1;",
        ),
        (
            "nonce",
            "UPDATE face_references SET row_version = 1, nonce = ciphertext;",
        ),
    ] {
        home.execute(statement).await.expect("edited");
        assert_nothing_is_decided(&office, id).await;
    }
}

async fn duty_4_a_single_bit_of_a_sealed_template_is_enough(home: &Home) {
    // The lowest bit of the first byte; done twice, it is as it was.
    let flip = match home {
        // Only hexadecimal digits can be taken apart there.
        Home::Sqlite(_) => {
            "UPDATE face_references SET ciphertext = unhex(
            substr(hex(ciphertext), 1, 1) ||
            substr('1032547698BADCFE', instr('0123456789ABCDEF', substr(hex(ciphertext), 2, 1)), 1)
            || substr(hex(ciphertext), 3))"
        }
        Home::Postgres { .. } => {
            "UPDATE face_references SET
            ciphertext = set_bit(ciphertext, 0, 1 - get_bit(ciphertext, 0))"
        }
    };
    let office = Office::open(home).await;
    let sealed = async || {
        let contract = office.contract();
        let woman = subject_of(&office.records, WOMAN);
        let found = office.records.store().subject(woman, &contract).await;
        let (_, reference) = found.expect("readable").expect("is there");
        reference.expect("a reference").ciphertext
    };
    let before = sealed().await;
    home.execute(flip).await.expect("edited");
    let after = sealed().await;
    assert_eq!(after.len(), before.len());
    let pairs = before.iter().zip(&after);
    let bits: u32 = pairs.map(|(old, new)| (old ^ new).count_ones()).sum();
    assert_eq!(bits, 1, "the statement does what it says");
    assert_nothing_is_decided(&office, "flipped").await;
    // Refused with its reason, in an entry of its own.
    let refused = office.entries(Event::CallRefused).await;
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].reasons[0].as_str(), "RECORDS_DO_NOT_OPEN");
    assert_eq!(refused[0].similarity, None, "nothing was compared");
    assert_eq!(office.embeddings_computed(), 0);
    home.execute(flip).await.expect("edited");
    let request = activation_request("back", WOMAN, "person_a_2.jpg");
    assert_eq!(office.verify(request).await.decision(), Decision::Match);
}

async fn duty_7_where_no_entry_can_be_written_no_match_is_released(home: &Home) {
    let office = Office::open(home).await;
    let earlier = activation_request("earlier", WOMAN, "person_a_2.jpg");
    let token = office.verify(earlier).await.result_token;
    home.execute("ALTER TABLE audit_entries RENAME TO elsewhere")
        .await
        .expect("renamed");
    let request = activation_request("unwritten", WOMAN, "person_a_2.jpg");
    // An error carries neither a decision nor a token; and asking again does not wear it down.
    for _ in 0..2 {
        let refused = office.server.verify(request.clone()).await;
        let status = refused.expect_err("no entry, no decision");
        assert_eq!(status.code(), Code::Internal, "{status}");
    }
    let redeemed = office.redeem(&token, "counter-2").await;
    let status = redeemed.expect_err("no entry, no result");
    assert_eq!(status.code(), Code::Internal, "{status}");
    home.execute("ALTER TABLE elsewhere RENAME TO audit_entries")
        .await
        .expect("renamed");
    let only = Some(Text::fitted("unwritten"));
    let of_request = async || {
        let entries = office.entries(Event::Verification).await;
        entries.iter().filter(|entry| entry.request == only).count()
    };
    assert_eq!(of_request().await, 0);
    let answer = office.verify(request).await;
    assert_eq!(answer.decision(), Decision::Match);
    assert_eq!(answer.attempts_left, Some(2), "what failed cost no attempt");
    assert_eq!(of_request().await, 1);
    assert!(office.entries(Event::CallRefused).await.is_empty());
    let result = office.redeem(&token, "counter-2").await;
    assert_eq!(result.expect("was not used up").request_id, "earlier");
}

/// Why an app of this configuration does not keep records.
async fn refusal(config: &padan::config::Config) -> String {
    let mut app = App::start(config).expect("the models are fine");
    let refused = app.open_records(config).await.expect_err("other keys");
    assert!(app.activation().is_none(), "nothing is half open");
    refused.to_string()
}

async fn other_keys_are_refused_at_the_start(home: &Home) {
    let office = Office::open(home).await;
    drop(office);
    let other = TestFolder::unique("other-keys");
    let refused = refusal(&config_of(home, &other)).await;
    assert_says(&refused, &["NIK key", "bring the keys back"]);
    let none = TestFolder::unique("no-keys");
    let mut config = config_of(home, &none);
    let folder = none.path().join("empty");
    std::fs::create_dir(&folder).expect("a folder");
    config.store.as_mut().expect("is there").keys = vec![KeySource::Folder(folder)];
    assert_says(&refusal(&config).await, &["padan keys init"]);
}

/// The only master key in a folder of keys.
fn master_file(folder: &std::path::Path) -> std::path::PathBuf {
    let files = std::fs::read_dir(folder).expect("readable");
    let mut paths = files.map(|file| file.expect("an entry").path());
    paths
        .find(|path| path.to_string_lossy().contains("master"))
        .expect("a master key")
}

async fn duty_4_a_database_without_its_keys_yields_no_comparison(home: &Home) {
    let keys = TestFolder::unique("keys");
    let server = TestServer::start(&config_of(home, &keys)).await;
    let activation = server.activation.clone().expect("references are kept");
    let verifier = activation.verifier();
    let template = crate::enrolled::template_of(verifier, "person_a_1.jpg").await;
    crate::enrolled::enrol(activation.records(), MAN, &template).await;
    server.stop().await.expect("stops");
    // The right NIK key and another master key: the master key that is needed is named.
    let folder = keys.path().join("keys");
    let other = keys.path().join("other");
    padan::keys::create_keys(&other, OffsetDateTime::now_utc()).expect("new keys");
    std::fs::remove_file(master_file(&folder)).expect("removed");
    let brought = master_file(&other);
    let name = brought.file_name().expect("has a name");
    std::fs::copy(&brought, folder.join(name)).expect("copied");
    let refused = refusal(&config_of(home, &keys)).await;
    assert_says(&refused, &["master key", "bring that key back"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn duty_7_a_database_that_is_gone_releases_no_match_and_needs_no_hands() {
    let mut server = Postgres::start();
    let keys = TestFolder::unique("gone");
    let mut config = config_of(&Home::sqlite(), &keys);
    let store = config.store.as_mut().expect("is there");
    store.database.location = Location::Postgres(server.address("postgres"));
    store.database.acquire_timeout = std::time::Duration::from_millis(500);
    let padan = TestServer::start(&config).await;
    let activation = padan.activation.clone().expect("references are kept");
    let template = crate::enrolled::template_of(activation.verifier(), "person_a_1.jpg").await;
    crate::enrolled::enrol(activation.records(), WOMAN, &template).await;
    let request = activation_request("through", WOMAN, "person_a_2.jpg");
    server.stop();
    let refused = padan
        .verify(request.clone())
        .await
        .expect_err("no database");
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert_says(refused.message(), &["try again"]);
    server.restart();
    crate::support::eventually("the same request is decided", async || {
        let answer = padan.verify(request.clone()).await;
        answer.is_ok_and(|answer| answer.decision() == Decision::Match)
    })
    .await;
}

#[test]
fn the_default_configuration_keeps_nothing() {
    assert!(config().store.is_none());
}
