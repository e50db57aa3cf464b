//! The second part of the demonstration: a server that keeps references, in a temporary folder of
//! its own. Two people are enrolled and verified by NIK, a result is redeemed, and the trail is
//! checked and shown.

use comfy_table::Table;
use time::OffsetDateTime;
use tonic::transport::Channel;
use tonic_types::StatusExt as _;

use super::super::{Failure, client, print, read_sample};
use super::Server;
use crate::audit::{Entry, WriterId};
use crate::config::{Config, DemoArgs, StoreConfig, TrailConfig};
use crate::grpc::proto::audit_client::AuditClient;
use crate::grpc::proto::enrollment_client::EnrollmentClient;
use crate::grpc::proto::face_verification_client::FaceVerificationClient;
use crate::grpc::proto::results_client::ResultsClient;
use crate::grpc::proto::{self, Decision, ReasonCode};
use crate::keys::{self, KeySource};
use crate::report::table::new_table;
use crate::store::{Location, Settings};

/// Made-up numbers of a woman, a man and somebody whom nobody enrolled: no office hands out serials
/// as high.
const WOMAN: &str = "3171014101909999";
const MAN: &str = "3171010101859998";
const STRANGER: &str = "3171011505999997";

/// The device that captures in this demonstration.
const DEVICE: &str = "counter-2";

type Verification = (
    &'static str,
    &'static str,
    &'static str,
    bool,
    Decision,
    Option<ReasonCode>,
);

/// Request, whom, probe, whether consent is given, and what must come out.
const VERIFICATIONS: [Verification; 4] = [
    (
        "own selfie",
        WOMAN,
        "person_a_2.jpg",
        true,
        Decision::Match,
        None,
    ),
    (
        "somebody else's selfie",
        MAN,
        "impostor_1.jpg",
        true,
        Decision::NoMatch,
        Some(ReasonCode::FaceMismatch),
    ),
    (
        "nobody enrolled this number",
        STRANGER,
        "person_a_2.jpg",
        true,
        Decision::CannotVerify,
        Some(ReasonCode::ReferenceNotFound),
    ),
    (
        "own selfie, no consent",
        WOMAN,
        "person_a_2.jpg",
        false,
        Decision::CannotVerify,
        Some(ReasonCode::ConsentMissing),
    ),
];

/// What was done and what came of it, for the table.
struct Steps {
    table: Table,
    came_out: bool,
}

impl Steps {
    fn add(&mut self, step: &str, answer: &str, is_expected: bool) {
        let mark = if is_expected {
            "✓"
        } else {
            "NOT AS EXPECTED"
        };
        self.table.add_row([step, answer, mark]);
        self.came_out &= is_expected;
    }
}

/// Returns whether all came out as expected.
pub async fn show(args: &DemoArgs, config: &Config) -> Result<bool, Failure> {
    let folder = tempfile::tempdir()?;
    let server = Server::start(&with_records(config, folder.path())?).await?;
    print(&format_args!(
        "\nA second server keeps references: two people are enrolled, then verified by NIK\n"
    ));
    let channel = client::channel(&server.url).await?;
    let mut steps = Steps {
        table: new_table(&["step", "answer", ""]),
        came_out: true,
    };
    enrol(args, &channel, &mut steps).await?;
    let token = verify(args, &channel, &mut steps).await?;
    redeem(&channel, token, &mut steps).await?;
    check_chain(&channel, &mut steps).await?;
    print(&steps.table);
    print(&format_args!("\nThe trail, one entry for each of them:\n"));
    print(&trail(&channel).await?);
    server.stop().await?;
    Ok(steps.came_out)
}

/// The same configuration with a database and fresh keys in `folder`, which goes afterwards.
fn with_records(config: &Config, folder: &std::path::Path) -> Result<Config, Failure> {
    let keys = folder.join("keys");
    keys::create_keys(&keys, OffsetDateTime::now_utc())?;
    let writer = WriterId::new("demo").map_err(|error| Failure::Technical(error.to_string()))?;
    let mut config = config.clone();
    config.store = Some(StoreConfig {
        database: Settings::new(Location::Sqlite(folder.join("padan.db")), writer),
        keys: vec![KeySource::Folder(keys)],
        trail: TrailConfig::beside(folder),
    });
    Ok(config)
}

async fn enrol(args: &DemoArgs, channel: &Channel, steps: &mut Steps) -> Result<(), Failure> {
    let mut client = EnrollmentClient::new(channel.clone());
    for (whom, nik, portrait) in [
        ("a woman", WOMAN, "person_a_1.jpg"),
        ("a man", MAN, "person_b_1.jpg"),
    ] {
        let image = read_sample(&args.portraits.join(portrait))?;
        let request = proto::PutRequest {
            meta: Some(meta(&format!("enrol-{portrait}"))),
            subject: Some(subject(nik)),
            reference: Some(proto::put_request::Reference::Portrait(proto::Sample {
                image,
            })),
            source: proto::ReferenceSource::Registry.into(),
            ..Default::default()
        };
        let response = client
            .put(request)
            .await
            .map_err(|status| client::from_status(&status))?;
        let response = response.into_inner();
        let outcome = response.outcome();
        let answer = format!("version {} stored, sealed", response.reference_version);
        let is_done = outcome == proto::EnrollmentOutcome::Done;
        steps.add(&format!("enrol {whom}"), &answer, is_done);
    }
    Ok(())
}

/// Returns the result token of the match.
async fn verify(args: &DemoArgs, channel: &Channel, steps: &mut Steps) -> Result<String, Failure> {
    let mut client = FaceVerificationClient::new(channel.clone());
    let mut token = String::new();
    for (step, nik, probe, has_consent, decision, why) in VERIFICATIONS {
        let image = read_sample(&args.portraits.join(probe))?;
        let id = step.replace([' ', '\'', ','], "-");
        let request = verify_request(&id, nik, image, has_consent);
        let response = client
            .verify(request)
            .await
            .map_err(|status| client::from_status(&status))?;
        let response = response.into_inner();
        let codes: Vec<_> = response.reasons.iter().map(proto::Reason::code).collect();
        let texts = response
            .reasons
            .iter()
            .map(|reason| reason.text_en.as_str());
        let texts: Vec<_> = texts.collect();
        let answer = format!(
            "{} {}",
            crate::report::decision_name(response.decision()),
            texts.join(" ")
        );
        let is_expected = response.decision() == decision && codes == Vec::from_iter(why);
        steps.add(&format!("verify: {step}"), answer.trim(), is_expected);
        if response.decision() == Decision::Match {
            token = response.result_token;
        }
    }
    Ok(token)
}

fn verify_request(
    id: &str,
    nik: &str,
    image: bytes::Bytes,
    has_consent: bool,
) -> proto::VerifyRequest {
    let consent = proto::ConsentRecord {
        id: format!("consent-{id}"),
        basis: proto::LegalBasis::Consent.into(),
        notice_version: "pemberitahuan-2026-03".to_owned(),
        given_at: Some(std::time::SystemTime::now().into()),
    };
    proto::VerifyRequest {
        meta: Some(meta(id)),
        probe: Some(proto::Sample { image }),
        reference: Some(proto::verify_request::Reference::Subject(subject(nik))),
        policy: String::new(),
        context: Some(proto::VerificationContext {
            purpose: proto::Purpose::Activation.into(),
            channel: proto::Channel::Counter.into(),
            office: "3171".to_owned(),
            operator: "officer-7".to_owned(),
            device: DEVICE.to_owned(),
            session: "visit-1".to_owned(),
        }),
        consent: has_consent.then_some(consent),
    }
}

/// Once for what it is worth, once more to be refused.
async fn redeem(channel: &Channel, token: String, steps: &mut Steps) -> Result<(), Failure> {
    let mut client = ResultsClient::new(channel.clone());
    let request = proto::RedeemResultRequest {
        result_token: token,
        device: DEVICE.to_owned(),
    };
    let result = client.redeem_result(request.clone()).await;
    let result = result
        .map_err(|status| client::from_status(&status))?
        .into_inner();
    let is_match = result.decision() == Decision::Match;
    let answer = format!(
        "{} for subject {:.12}…",
        crate::report::decision_name(result.decision()),
        result.subject_hash
    );
    steps.add("redeem the result token", &answer, is_match);
    let (answer, is_refused) = match client.redeem_result(request).await {
        Ok(_) => ("redeemed twice".to_owned(), false),
        Err(status) => {
            let info = status.get_details_error_info();
            let is_used = info.is_some_and(|info| info.reason == "TOKEN_USED");
            (format!("refused: {}", status.message()), is_used)
        }
    };
    steps.add("redeem it again", &answer, is_refused);
    Ok(())
}

async fn check_chain(channel: &Channel, steps: &mut Steps) -> Result<(), Failure> {
    let mut client = AuditClient::new(channel.clone());
    let request = proto::VerifyChainRequest::default();
    let answer = client.verify_chain(request).await;
    let mut events = answer
        .map_err(|status| client::from_status(&status))?
        .into_inner();
    let (mut entries, mut findings) = (0, 0);
    while let Some(event) = events
        .message()
        .await
        .map_err(|status| client::from_status(&status))?
    {
        if let Some(proto::verify_chain_response::Event::Chain(chain)) = event.event {
            entries += chain.entries;
            findings += chain.findings.len();
        }
    }
    let is_intact = findings == 0 && entries > 0;
    let answer = if is_intact {
        format!("intact: {entries} entries")
    } else {
        format!("{findings} findings in {entries} entries")
    };
    steps.add("verify the chain", &answer, is_intact);
    Ok(())
}

/// The trail as a table.
async fn trail(channel: &Channel) -> Result<Table, Failure> {
    let header = [
        "#",
        "time (UTC)",
        "event",
        "subject",
        "decision",
        "reasons or details",
    ];
    let mut table = new_table(&header);
    let mut client = AuditClient::new(channel.clone());
    let answer = client.query(proto::QueryRequest::default()).await;
    for row in answer
        .map_err(|status| client::from_status(&status))?
        .into_inner()
        .entries
    {
        let entry = Entry::parse(&row.entry)
            .map_err(|error| Failure::Technical(format!("an entry cannot be read: {error}")))?;
        table.add_row(cells(&entry));
    }
    Ok(table)
}

fn cells(entry: &Entry) -> [String; 6] {
    let time = entry.time.to_string();
    let digits = entry.subject.map(|subject| subject.to_string());
    // Enough to tell three people apart.
    let subject = digits.map(|digits| format!("{digits:.8}…"));
    let reasons: Vec<String> = entry.reasons.iter().map(ToString::to_string).collect();
    let detail = |name: &str| {
        let found = entry.details.iter().find(|(key, _)| key.as_str() == name);
        found.map(|(_, value)| value.to_string())
    };
    let more = ["operation", "what", "method"].into_iter().find_map(detail);
    [
        entry.sequence.to_string(),
        time.get(..19).unwrap_or(&time).to_owned(),
        entry.event.name().to_owned(),
        subject.unwrap_or_default(),
        entry
            .decision
            .as_ref()
            .map(ToString::to_string)
            .unwrap_or_default(),
        if reasons.is_empty() {
            more.unwrap_or_default()
        } else {
            reasons.join(", ")
        },
    ]
}

fn meta(id: &str) -> proto::RequestMeta {
    proto::RequestMeta {
        request_id: id.to_owned(),
        ..Default::default()
    }
}

fn subject(nik: &str) -> proto::Subject {
    proto::Subject {
        nik: nik.to_owned(),
    }
}
