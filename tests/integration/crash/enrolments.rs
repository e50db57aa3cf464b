//! Made-up people who are enrolled, enrolled anew, deleted and erased, by one client.

use std::collections::BTreeSet;
use std::time::Duration;

use padan::grpc::proto::enrollment_client::EnrollmentClient;
use padan::grpc::proto::privacy_client::PrivacyClient;
use padan::grpc::proto::{self, EnrollmentOutcome, ReferenceStatus};
use tonic::Status;
use tonic::transport::Channel;

use super::{Life, connect};
use crate::enrolment::{meta, put_ready, whom};

/// How many different numbers [`nik_of`] makes.
const PEOPLE_MAX: usize = 3 * 28 * 12 * 50 * 2;

/// Between two people, so that they do not run out in a long test on a fast machine.
const PAUSE: Duration = Duration::from_millis(2);

/// A change of what is kept of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Put,
    PutAnew,
    Delete,
    Erase,
}

const CHANGES: [Change; 4] = [Change::Put, Change::PutAnew, Change::Delete, Change::Erase];

#[derive(Clone, Debug, PartialEq)]
enum Answer {
    Put(proto::PutResponse),
    Deleted(proto::DeleteResponse),
    Erased(proto::EraseResponse),
}

/// Changes of one person in their order; only the last one may be without an answer.
type Asked = Vec<(Change, Option<Answer>)>;

/// What the client was told of people, by their numbers.
#[derive(Default)]
pub struct People(Vec<Asked>);

/// What is asked for a person.
const fn plan(number: usize) -> &'static [Change] {
    match number % 8 {
        0 => &[Change::Put, Change::Erase],
        1 => &[Change::Put, Change::Delete],
        2 => &[Change::Put, Change::PutAnew],
        _ => &[Change::Put],
    }
}

/// How a person stands after these changes, with the version of the reference.
fn standing(changes: &[Change]) -> (ReferenceStatus, u64) {
    match changes.last() {
        None | Some(Change::Erase) => (ReferenceStatus::None, 0),
        Some(Change::Delete) => (ReferenceStatus::NotSynced, 0),
        Some(Change::Put) => (ReferenceStatus::Ready, 1),
        Some(Change::PutAnew) => (ReferenceStatus::Ready, 2),
    }
}

/// A number that nobody has: serials are given out from 0001 on, a few a day.
fn nik_of(number: usize) -> String {
    let (serial, rest) = (9997 + number % 3, number / 3);
    let (day, rest) = (1 + rest % 28, rest / 28);
    let (month, rest) = (1 + rest % 12, rest / 12);
    let (year, sex) = (50 + rest % 50, rest / 50 % 2);
    format!("317101{:02}{month:02}{year:02}{serial}", day + 40 * sex)
}

fn id_of(number: usize, change: Change) -> String {
    let name = match change {
        Change::Put => "put",
        Change::PutAnew => "put-anew",
        Change::Delete => "delete",
        Change::Erase => "erase",
    };
    format!("{name}-{number}")
}

impl People {
    /// Whether one change of each kind was answered.
    pub fn is_each_change_answered(&self) -> bool {
        let is_answered = |change| {
            let mut asked = self.0.iter().flatten();
            asked.any(|(other, answer)| *other == change && answer.is_some())
        };
        CHANGES.into_iter().all(is_answered)
    }

    pub fn summary(&self) -> String {
        let answers = self.0.iter().flatten();
        let answered = answers.filter(|(_, answer)| answer.is_some()).count();
        format!("{answered} changes of {} people answered", self.0.len())
    }

    /// Each person stands as after all answered changes, or as after one more that was asked for.
    /// Returns the request ids of the changes that were made.
    pub async fn made(&self, channel: &Channel) -> BTreeSet<String> {
        let mut made = BTreeSet::new();
        for (number, asked) in self.0.iter().enumerate() {
            let changes: Vec<Change> = asked.iter().map(|(change, _)| *change).collect();
            let answered = asked.iter().filter(|(_, answer)| answer.is_some()).count();
            let found = ask_standing(channel, number).await;
            let mut possible = answered..=changes.len();
            let done = possible.find(|done| standing(&changes[..*done]) == found);
            let done = done.unwrap_or_else(|| panic!("{number} is {found:?} after {asked:?}"));
            made.extend(changes[..done].iter().map(|change| id_of(number, *change)));
        }
        made
    }

    /// Asked again, the server gives the answers that it gave.
    pub async fn repeat(&self, channel: &Channel, contract: &str) {
        for (number, asked) in self.0.iter().enumerate() {
            for (change, answer) in asked {
                let Some(answer) = answer else { continue };
                let again = ask(channel, contract, number, *change).await;
                let again = again.unwrap_or_else(|status| panic!("{change:?} {number}: {status}"));
                assert_eq!(again, *answer, "{change:?} {number}");
            }
        }
    }
}

/// Enrols one person after the other until the server is gone.
pub async fn work(life: Life) {
    let Ok(channel) = connect(&life.url).await else {
        return;
    };
    while !life.is_over() {
        let number = life.told().people.0.len();
        if number == PEOPLE_MAX {
            return;
        }
        life.told().people.0.push(Asked::new());
        let changes = plan(number);
        for (at, change) in changes.iter().enumerate() {
            life.told().people.0[number].push((*change, None));
            let Ok(answer) = ask(&channel, &life.contract, number, *change).await else {
                // The server is gone.
                return;
            };
            assert_done(&answer, &changes[..=at]);
            life.told().people.0[number][at].1 = Some(answer);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

/// Asks for a change; again, it is the same request to the byte.
async fn ask(
    channel: &Channel,
    contract: &str,
    number: usize,
    change: Change,
) -> Result<Answer, Status> {
    let (nik, meta) = (nik_of(number), meta(&id_of(number, change)));
    let mut enrollment = EnrollmentClient::new(channel.clone());
    Ok(match change {
        Change::Put | Change::PutAnew => {
            let seed = if change == Change::Put { 1.0 } else { 2.0 };
            let request = proto::PutRequest {
                meta,
                ..put_ready(&nik, contract, seed)
            };
            Answer::Put(enrollment.put(request).await?.into_inner())
        }
        Change::Delete => {
            let subject = whom(&nik);
            let request = proto::DeleteRequest { meta, subject };
            Answer::Deleted(enrollment.delete(request).await?.into_inner())
        }
        Change::Erase => {
            let subject = whom(&nik);
            let request = proto::EraseRequest { meta, subject };
            let mut privacy = PrivacyClient::new(channel.clone());
            Answer::Erased(privacy.erase(request).await?.into_inner())
        }
    })
}

/// The answer to the last of a person's changes says that it was done.
fn assert_done(answer: &Answer, changes: &[Change]) {
    match answer {
        Answer::Put(put) => {
            let (_, version) = standing(changes);
            let told = (put.outcome(), put.reference_version);
            assert_eq!(told, (EnrollmentOutcome::Done, version), "{put:?}");
        }
        Answer::Deleted(deleted) => {
            assert_eq!(deleted.outcome(), EnrollmentOutcome::Done, "{deleted:?}");
        }
        Answer::Erased(erased) => {
            let told = (erased.had_key, erased.references_deleted);
            assert_eq!(told, (true, 1), "{erased:?}");
        }
    }
}

async fn ask_standing(channel: &Channel, number: usize) -> (ReferenceStatus, u64) {
    let request = proto::GetStatusRequest {
        meta: None,
        subject: whom(&nik_of(number)),
    };
    let mut client = EnrollmentClient::new(channel.clone());
    let status = client.get_status(request).await.expect("an answer");
    let status = status.into_inner();
    (status.status(), status.reference_version)
}
