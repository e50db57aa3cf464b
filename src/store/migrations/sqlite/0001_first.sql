-- "pada": the file is padan's.
PRAGMA application_id = 0x70616461;

-- Times are microseconds since 1970, UTC. A subject is the keyed hash of a NIK, never the NIK.

-- Tables of small rows have no row id: their key is then no second tree to write to.

-- The texts that made the schema, this one among them.
CREATE TABLE migrations (
    version INTEGER PRIMARY KEY,
    sha256 TEXT NOT NULL
) STRICT;

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT;

CREATE TABLE subjects (
    subject BLOB PRIMARY KEY CHECK (length(subject) = 32),
    -- NULL once erased: without its key the templates are noise.
    wrapped_key BLOB CHECK ((wrapped_key IS NULL) = (status = 'erased')),
    master_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'blocked', 'erased')),
    version INTEGER NOT NULL CHECK (version > 0),
    keyed_us INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT;
-- Rotation asks who still has an old master key.
CREATE INDEX subjects_master_key ON subjects (master_key, subject)
    WHERE wrapped_key IS NOT NULL;

CREATE TABLE face_references (
    subject BLOB NOT NULL CHECK (length(subject) = 32),
    contract_id TEXT NOT NULL,
    row_version INTEGER NOT NULL CHECK (row_version > 0),
    nonce BLOB NOT NULL,
    ciphertext BLOB NOT NULL,
    captured_on TEXT,
    source TEXT NOT NULL,
    quality TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (subject, contract_id)
) STRICT;

CREATE TABLE consents (
    id TEXT NOT NULL,
    subject BLOB NOT NULL,
    purpose TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    notice_version TEXT NOT NULL,
    channel TEXT NOT NULL,
    office TEXT NOT NULL,
    operator TEXT NOT NULL,
    granted_us INTEGER NOT NULL,
    withdrawn_us INTEGER,
    PRIMARY KEY (subject, id)
) STRICT, WITHOUT ROWID;

-- Reaches consents that were given before it, also those that padan learns of later.
CREATE TABLE consent_withdrawals (
    subject BLOB NOT NULL,
    -- '' for all.
    consent_id TEXT NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (subject, consent_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE session_attempts (
    session TEXT PRIMARY KEY,
    attempts INTEGER NOT NULL,
    updated_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX session_attempts_updated ON session_attempts (updated_us);

CREATE TABLE subject_attempts (
    subject BLOB NOT NULL,
    day INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    PRIMARY KEY (subject, day)
) STRICT, WITHOUT ROWID;
CREATE INDEX subject_attempts_day ON subject_attempts (day);

CREATE TABLE requests (
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    body_digest BLOB NOT NULL CHECK (length(body_digest) = 32),
    reply BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    PRIMARY KEY (caller, request_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX requests_created ON requests (created_us);

CREATE TABLE reviews (
    id TEXT PRIMARY KEY,
    subject BLOB NOT NULL,
    office TEXT NOT NULL,
    captured_by TEXT NOT NULL,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    device TEXT NOT NULL,
    reasons TEXT NOT NULL,
    evidence BLOB,
    created_us INTEGER NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'decided')),
    claimed_by TEXT,
    claimed_us INTEGER,
    decided_by TEXT,
    decided_us INTEGER,
    verdict TEXT,
    -- The second person, also when the code above forgets.
    CHECK (decided_by IS NULL OR decided_by <> captured_by)
) STRICT;
CREATE INDEX reviews_open ON reviews (office, created_us) WHERE status = 'open';
CREATE INDEX reviews_subject ON reviews (subject);
CREATE INDEX reviews_request ON reviews (caller, request_id);
CREATE INDEX reviews_created ON reviews (created_us);

CREATE TABLE token_uses (
    nonce BLOB PRIMARY KEY CHECK (length(nonce) = 16),
    expiry_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX token_uses_expiry ON token_uses (expiry_us);

-- The head of each writer's chain.
CREATE TABLE writers (
    writer TEXT PRIMARY KEY,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32)
) STRICT, WITHOUT ROWID;

CREATE TABLE audit_entries (
    writer TEXT NOT NULL,
    sequence INTEGER NOT NULL CHECK (sequence > 0),
    at_us INTEGER NOT NULL,
    subject BLOB,
    office TEXT,
    caller TEXT,
    request_id TEXT,
    entry TEXT NOT NULL,
    hash BLOB NOT NULL CHECK (length(hash) = 32),
    PRIMARY KEY (writer, sequence)
) STRICT;
CREATE INDEX audit_entries_at ON audit_entries (at_us, writer, sequence);
-- One chain by a window of time, as exports and breach scopes ask: the key would be read from the
-- chain's first entry to its last.
CREATE INDEX audit_entries_writer ON audit_entries (writer, at_us, sequence);
CREATE INDEX audit_entries_subject ON audit_entries (subject, at_us) WHERE subject IS NOT NULL;
CREATE INDEX audit_entries_office ON audit_entries (office, at_us) WHERE office IS NOT NULL;
CREATE INDEX audit_entries_request ON audit_entries (caller, request_id)
    WHERE request_id IS NOT NULL;
CREATE TRIGGER audit_entries_never_change BEFORE UPDATE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER audit_entries_never_go BEFORE DELETE ON audit_entries
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
-- What INSERT OR REPLACE deletes, by its key or its row id, fires no trigger of a deletion.
CREATE TRIGGER audit_entries_never_replaced BEFORE INSERT ON audit_entries
WHEN EXISTS (SELECT 1 FROM audit_entries
    WHERE (writer = NEW.writer AND sequence = NEW.sequence) OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

CREATE TABLE checkpoints (
    writer TEXT NOT NULL,
    sequence INTEGER NOT NULL,
    hash BLOB NOT NULL,
    at_us INTEGER NOT NULL,
    key BLOB NOT NULL,
    signature BLOB NOT NULL,
    PRIMARY KEY (writer, sequence)
) STRICT;
CREATE TRIGGER checkpoints_never_change BEFORE UPDATE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER checkpoints_never_go BEFORE DELETE ON checkpoints
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;
CREATE TRIGGER checkpoints_never_replaced BEFORE INSERT ON checkpoints
WHEN EXISTS (SELECT 1 FROM checkpoints
    WHERE (writer = NEW.writer AND sequence = NEW.sequence) OR rowid = NEW.rowid)
BEGIN SELECT RAISE(ABORT, 'the audit trail is append-only'); END;

-- Replayed on a restored backup.
CREATE TABLE erasures (
    subject BLOB NOT NULL,
    at_us INTEGER NOT NULL,
    PRIMARY KEY (subject, at_us)
) STRICT;
CREATE INDEX erasures_at ON erasures (at_us, subject);
