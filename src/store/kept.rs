//! What is kept of one subject beside its references, its consents and its entries in the trail.

use super::error::StoreError;
use super::sql::{Pool, Row, values};
use crate::subject::SubjectHash;

/// What is kept of one subject, each list oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kept {
    /// Cases for review.
    pub reviews: Vec<KeptReview>,
    /// Comparisons counted, by the day.
    pub attempts: Vec<KeptAttempts>,
    /// Times of erasures, in microseconds since 1970, UTC.
    pub erasures_us: Vec<i64>,
}

/// A case for review, without what only padan needs of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptReview {
    /// Its id.
    pub id: String,
    /// The office that sees it.
    pub office: String,
    /// Who captured.
    pub captured_by: String,
    /// What for.
    pub purpose: String,
    /// The device that captured.
    pub device: String,
    /// The caller of the request that led to it.
    pub caller: String,
    /// That request's id.
    pub request: String,
    /// The reasons, worst first, as one text.
    pub reasons: String,
    /// When it came, in microseconds since 1970, UTC.
    pub created_us: i64,
    /// Who has taken it to decide it.
    pub claimed_by: Option<String>,
    /// When.
    pub claimed_us: Option<i64>,
    /// Who decided it.
    pub decided_by: Option<String>,
    /// When.
    pub decided_us: Option<i64>,
    /// What was decided, and on which evidence.
    pub verdict: Option<String>,
}

/// Comparisons counted of a subject on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeptAttempts {
    /// Days since 1970 of the office's calendar.
    pub day: i64,
    /// How many.
    pub attempts: u64,
}

/// Rows of each list at most: what is kept of a person for days is a handful.
const ROWS_MAX: u64 = 10_000;

pub(super) async fn of_subject(pool: &Pool, subject: SubjectHash) -> Result<Kept, StoreError> {
    const REVIEWS: &str = "SELECT id, office, captured_by, purpose, device, caller, request_id,
        reasons, created_us, claimed_by, claimed_us, decided_by, decided_us, verdict
        FROM reviews WHERE subject = $1 ORDER BY created_us, id LIMIT $2";
    const ATTEMPTS: &str = "SELECT day, attempts FROM subject_attempts
        WHERE subject = $1 ORDER BY day LIMIT $2";
    const ERASURES: &str = "SELECT at_us FROM erasures WHERE subject = $1 ORDER BY at_us LIMIT $2";
    let rows = async |sql| pool.rows(sql, values![subject, ROWS_MAX]).await;
    let attempts = |row: &Row| {
        Ok(KeptAttempts {
            day: row.int(0)?,
            attempts: row.count(1)?,
        })
    };
    Ok(Kept {
        reviews: each(&rows(REVIEWS).await?, review)?,
        attempts: each(&rows(ATTEMPTS).await?, attempts)?,
        erasures_us: each(&rows(ERASURES).await?, |row| row.int(0))?,
    })
}

fn each<T>(
    rows: &[Row],
    read: impl Fn(&Row) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    rows.iter().map(read).collect()
}

fn review(row: &Row) -> Result<KeptReview, StoreError> {
    Ok(KeptReview {
        id: row.text(0)?,
        office: row.text(1)?,
        captured_by: row.text(2)?,
        purpose: row.text(3)?,
        device: row.text(4)?,
        caller: row.text(5)?,
        request: row.text(6)?,
        reasons: row.text(7)?,
        created_us: row.int(8)?,
        claimed_by: row.text_or_null(9)?,
        claimed_us: row.int_or_null(10)?,
        decided_by: row.text_or_null(11)?,
        decided_us: row.int_or_null(12)?,
        verdict: row.text_or_null(13)?,
    })
}
