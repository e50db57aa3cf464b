//! A group's transaction, and the writer's chain of audit entries in it.

use super::error::StoreError;
use super::own::{Entry, chain_hash, genesis};
use super::partitions::Months;
use super::sql::{Row, Transaction, Value, values};

/// Where an entry stands: its writer's chain and its number in it, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Name of the chain.
    pub writer: String,
    /// Number in the chain.
    pub sequence: u64,
}

/// A transaction that holds the writer's chain: no other transaction can write to it meanwhile.
pub(super) struct Write {
    transaction: Transaction,
    writer: String,
    sequence: u64,
    hash: [u8; 32],
    /// The chain's length when the transaction began.
    began: u64,
    months: Months,
}

impl Write {
    /// Takes the head of the chain of `writer`, and starts the chain when there is none.
    pub async fn begin(
        mut transaction: Transaction,
        writer: &str,
        months: Months,
    ) -> Result<Self, StoreError> {
        // An update that changes nothing: it locks the row on both databases.
        const HEAD: &str = "INSERT INTO writers (writer, sequence, hash) VALUES ($1, 0, $2)
            ON CONFLICT (writer) DO UPDATE SET sequence = writers.sequence
            RETURNING sequence, hash";
        let row = transaction
            .row(HEAD, values![writer, &genesis(writer)])
            .await?
            .ok_or_else(|| StoreError::column("writer"))?;
        let sequence = row.count(0)?;
        Ok(Self {
            hash: row.hash(1)?,
            writer: writer.to_owned(),
            sequence,
            began: sequence,
            transaction,
            months,
        })
    }

    /// Appends `entry` to the chain.
    pub async fn append(&mut self, entry: &Entry) -> Result<Position, StoreError> {
        const APPEND: &str = "INSERT INTO audit_entries
            (writer, sequence, at_us, subject, office, caller, request_id, entry, hash)
            VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)";
        if !self.months.contains(entry.at_us) {
            return Err(StoreError::NoPartition(entry.at_us));
        }
        let sequence = self.sequence + 1;
        let text = entry.text(&self.writer, sequence);
        let hash = chain_hash(&self.hash, &text);
        let values = values![
            &self.writer,
            sequence,
            entry.at_us,
            entry.subject,
            &entry.office,
            &entry.caller,
            &entry.request_id,
            &text,
            &hash,
        ];
        self.transaction.execute(APPEND, values).await?;
        self.sequence = sequence;
        self.hash = hash;
        Ok(Position {
            writer: self.writer.clone(),
            sequence,
        })
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
        if self.sequence > self.began {
            let values = values![&self.writer, self.sequence, &self.hash];
            self.transaction.execute(MOVE, values).await?;
        }
        self.transaction.commit().await
    }
}
