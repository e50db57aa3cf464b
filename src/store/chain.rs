//! A group's transaction, and the writer's chain of audit entries in it.

use super::decisions::Opened;
use super::error::StoreError;
use super::partitions::Months;
use super::sql::{Row, Transaction, Value, values};
use crate::audit::{ChainHash, ChainHead, Entry, Text, WriterId};
use crate::subject::SubjectHash;

/// Where an entry stands: its writer's chain and its number in it, from 1.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Whose chain.
    pub writer: WriterId,
    /// Number in the chain.
    pub sequence: u64,
}

impl Position {
    /// A position as stored.
    pub(super) fn read(row: &Row, writer: usize, sequence: usize) -> Result<Self, StoreError> {
        let writer = WriterId::new(row.text(writer)?).map_err(|_| StoreError::column("writer"))?;
        let sequence = row.count(sequence)?;
        Ok(Self { writer, sequence })
    }
}

/// A transaction that holds the writer's chain: no other transaction can write to it meanwhile.
pub(super) struct Write {
    transaction: Transaction,
    head: ChainHead,
    /// The chain's length when the transaction began.
    began: u64,
    months: Months,
}

impl Write {
    /// Takes the head of the chain of `writer`, and starts the chain when there is none.
    pub async fn begin(
        mut transaction: Transaction,
        writer: &WriterId,
        months: Months,
    ) -> Result<Self, StoreError> {
        // An update that changes nothing: it locks the row on both databases.
        const HEAD: &str = "INSERT INTO writers (writer, sequence, hash) VALUES ($1, 0, $2)
            ON CONFLICT (writer) DO UPDATE SET sequence = writers.sequence
            RETURNING sequence, hash";
        let genesis = ChainHash::genesis(writer);
        let values = values![writer.as_str(), genesis.as_bytes()];
        let row = transaction.row(HEAD, values).await?;
        let row = row.ok_or_else(|| StoreError::column("writer"))?;
        let head = ChainHead {
            writer: writer.clone(),
            sequence: row.count(0)?,
            hash: ChainHash::from_bytes(row.hash(1)?),
        };
        Ok(Self {
            began: head.sequence,
            head,
            transaction,
            months,
        })
    }

    /// Appends `entry` to the chain.
    pub async fn append(&mut self, entry: &Entry) -> Result<Position, StoreError> {
        const APPEND: &str = "INSERT INTO audit_entries
            (writer, sequence, at_us, subject, office, caller, request_id, entry, hash)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        let at_us = entry.time.microseconds();
        if !self.months.contains(at_us) {
            return Err(StoreError::NoPartition(at_us));
        }
        let link = self.head.append(entry.clone())?;
        let values = values![
            self.head.writer.as_str(),
            link.sequence,
            at_us,
            entry.subject,
            entry.office.as_ref().map(Text::as_str),
            entry.actor.certificate.as_ref().map(Text::as_str),
            entry.request.as_ref().map(Text::as_str),
            &link.text,
            link.hash.as_bytes(),
        ];
        self.transaction.execute(APPEND, values).await?;
        Ok(Position {
            writer: self.head.writer.clone(),
            sequence: link.sequence,
        })
    }

    /// Whether a subject is active with the key that opened this reference, and has it still. If it
    /// is so, nobody changes that before the end of the transaction.
    pub async fn holds(
        &mut self,
        subject: SubjectHash,
        opened: &Opened,
    ) -> Result<bool, StoreError> {
        const HOLDS: &str = "SELECT 1 FROM subjects s JOIN face_references r
            ON r.subject = s.subject AND r.contract_id = $3 AND r.row_version = $4
            WHERE s.subject = $1 AND s.status = 'active' AND s.keyed_us = $2";
        // SQLite has one writer at a time, and no such lock. Of both rows: whoever waited for the
        // lock of one is shown the other as it was before.
        const LOCKED: &str = "SELECT 1 FROM subjects s JOIN face_references r
            ON r.subject = s.subject AND r.contract_id = $3 AND r.row_version = $4
            WHERE s.subject = $1 AND s.status = 'active' AND s.keyed_us = $2 FOR SHARE OF s, r";
        let sql = match self.transaction {
            Transaction::Sqlite(_) => HOLDS,
            Transaction::Postgres(_) => LOCKED,
        };
        let values = values![
            subject,
            opened.keyed_us,
            &opened.contract_id,
            opened.row_version,
        ];
        Ok(self.transaction.row(sql, values).await?.is_some())
    }

    /// Runs a statement. Returns the number of rows it changed.
    pub async fn execute(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<u64, StoreError> {
        self.transaction.execute(sql, values).await
    }

    /// The first row that a statement returns.
    pub async fn row(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, StoreError> {
        self.transaction.row(sql, values).await
    }

    /// Moves the head, and makes all of it durable.
    ///
    /// # Errors
    ///
    /// As [`Transaction::commit`].
    pub async fn commit(mut self) -> Result<(), StoreError> {
        const MOVE: &str = "UPDATE writers SET sequence = $2, hash = $3 WHERE writer = $1";
        let ChainHead {
            writer,
            sequence,
            hash,
        } = &self.head;
        if *sequence > self.began {
            let values = values![writer.as_str(), *sequence, hash.as_bytes()];
            self.transaction.execute(MOVE, values).await?;
        }
        self.transaction.commit().await
    }
}
