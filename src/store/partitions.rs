//! The months of the audit trail on PostgreSQL.
//!
//! A month's partition is made before its first entry, as a table of its own that is then
//! attached: that takes no lock that readers or writers of other months would feel.

use std::collections::BTreeSet;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgPool;
use time::{Date, Month, OffsetDateTime};

use super::error::StoreError;
use super::sql::Pool;

/// Taken while a partition is made, so that two replicas do not make the same one. Any number no
/// other program uses on this database.
const LOCK: i64 = 0x7061_6461_6e01;

/// The months known to have a partition.
#[derive(Clone, Debug)]
pub(super) enum Months {
    /// The database has no partitions.
    NotNeeded,
    /// Year and month, from 1.
    Made(BTreeSet<(i32, u8)>),
}

impl Months {
    /// The months of now and of the next, so that no write has to wait at the turn of a month.
    ///
    /// # Errors
    ///
    /// When the database does not make them.
    pub async fn prepare(pool: &Pool, now_us: i64) -> Result<Self, StoreError> {
        let mut months = match pool {
            Pool::Sqlite(_) => Self::NotNeeded,
            Pool::Postgres(_) => Self::Made(BTreeSet::new()),
        };
        months.make(pool, now_us).await?;
        Ok(months)
    }

    /// Whether entries of that time can be written.
    pub fn contains(&self, at_us: i64) -> bool {
        match self {
            Self::NotNeeded => true,
            Self::Made(made) => month(at_us).is_ok_and(|month| made.contains(&month)),
        }
    }

    /// Makes the month of that time and the next.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] for a time outside the years 2000 to 2999.
    pub async fn make(&mut self, pool: &Pool, at_us: i64) -> Result<(), StoreError> {
        let (Self::Made(made), Pool::Postgres(pool)) = (self, pool) else {
            return Ok(());
        };
        let first = month(at_us)?;
        for month in [first, following(first)] {
            make_partition(pool, month).await?;
            made.insert(month);
        }
        Ok(())
    }
}

/// Year and month of a time.
fn month(at_us: i64) -> Result<(i32, u8), StoreError> {
    let refused = || StoreError::Refused("time of an audit entry".to_owned());
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(at_us) * 1000)
        .map_err(|_| refused())?;
    let is_sane = (2000..3000).contains(&time.year());
    is_sane
        .then(|| (time.year(), u8::from(time.month())))
        .ok_or_else(refused)
}

fn following((year, month): (i32, u8)) -> (i32, u8) {
    if month == 12 {
        (year + 1, 1)
    } else {
        (year, month + 1)
    }
}

/// Microseconds at which a month begins.
fn begin_us((year, month): (i32, u8)) -> Result<i64, StoreError> {
    let date = Month::try_from(month)
        .and_then(|month| Date::from_calendar_date(year, month, 1))
        .map_err(|_| StoreError::Internal("calendar".to_owned()))?;
    Ok(date.midnight().assume_utc().unix_timestamp() * 1_000_000)
}

async fn make_partition(pool: &PgPool, month: (i32, u8)) -> Result<(), StoreError> {
    let (from, to) = (begin_us(month)?, begin_us(following(month))?);
    let (year, month) = month;
    let name = format!("audit_entries_{year}_{month:02}");
    let mut transaction = pool.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)")
        .bind(LOCK)
        .execute(&mut *transaction)
        .await?;
    let found: Option<i32> = sqlx::query_scalar("SELECT 1 WHERE to_regclass($1) IS NOT NULL")
        .bind(&name)
        .fetch_optional(&mut *transaction)
        .await?;
    if found.is_none() {
        // Numbers of our own only: names and bounds cannot be parameters.
        for statement in [
            format!("CREATE TABLE {name} (LIKE audit_entries INCLUDING ALL)"),
            format!(
                "ALTER TABLE audit_entries ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({to})"
            ),
            // Row triggers come with the attachment, those of whole statements do not.
            format!(
                "CREATE TRIGGER {name}_never_emptied BEFORE TRUNCATE ON {name}
                FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            ),
        ] {
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut *transaction)
                .await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_month_ends_where_the_next_begins() {
        for start in [(2026, 1), (2026, 11), (2026, 12), (2028, 2)] {
            let next = begin_us(following(start)).expect("a month");
            assert_eq!(month(next - 1), Ok(start));
            assert_eq!(month(next), Ok(following(start)));
        }
    }

    #[test]
    fn a_time_of_another_age_is_refused() {
        for at_us in [i64::MIN, i64::MAX, 0] {
            assert!(matches!(month(at_us), Err(StoreError::Refused(_))));
        }
    }
}
