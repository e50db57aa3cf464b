-- Times are microseconds since 1970, UTC. A subject is the keyed hash of a NIK, never the NIK.

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);

CREATE TABLE subjects (
    subject BYTEA PRIMARY KEY CHECK (octet_length(subject) = 32),
    -- NULL once erased: without its key the templates are noise.
    wrapped_key BYTEA CHECK ((wrapped_key IS NULL) = (status = 'erased')),
    master_key TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('active', 'blocked', 'erased')),
    version BIGINT NOT NULL CHECK (version > 0),
    keyed_us BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
) PARTITION BY HASH (subject);
-- Rotation asks who still has an old master key.
CREATE INDEX subjects_master_key ON subjects (master_key, subject)
    WHERE wrapped_key IS NOT NULL;

CREATE TABLE face_references (
    subject BYTEA NOT NULL CHECK (octet_length(subject) = 32),
    contract_id TEXT NOT NULL,
    row_version BIGINT NOT NULL CHECK (row_version > 0),
    nonce BYTEA NOT NULL,
    ciphertext BYTEA NOT NULL,
    captured_on TEXT,
    source TEXT NOT NULL,
    quality TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (subject, contract_id)
) PARTITION BY HASH (subject);

-- 277 million subjects over 32 partitions are 8.7 million rows each: a vacuum or an index build
-- takes one of them at a time.
DO $$
BEGIN
    FOR part IN 0..31 LOOP
        EXECUTE format('CREATE TABLE subjects_%s PARTITION OF subjects
            FOR VALUES WITH (MODULUS 32, REMAINDER %s)', part, part);
        EXECUTE format('CREATE TABLE face_references_%s PARTITION OF face_references
            FOR VALUES WITH (MODULUS 32, REMAINDER %s)', part, part);
    END LOOP;
END $$;

CREATE TABLE consents (
    id TEXT NOT NULL,
    subject BYTEA NOT NULL,
    purpose TEXT NOT NULL,
    legal_basis TEXT NOT NULL,
    notice_version TEXT NOT NULL,
    channel TEXT NOT NULL,
    office TEXT NOT NULL,
    operator TEXT NOT NULL,
    granted_us BIGINT NOT NULL,
    withdrawn_us BIGINT,
    PRIMARY KEY (subject, id)
);

-- Reaches consents that were given before it, also those that padan learns of later.
CREATE TABLE consent_withdrawals (
    subject BYTEA NOT NULL,
    -- '' for all.
    consent_id TEXT NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (subject, consent_id)
);

CREATE TABLE session_attempts (
    session TEXT PRIMARY KEY,
    attempts BIGINT NOT NULL,
    updated_us BIGINT NOT NULL
);
CREATE INDEX session_attempts_updated ON session_attempts (updated_us);

CREATE TABLE subject_attempts (
    subject BYTEA NOT NULL,
    day BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    PRIMARY KEY (subject, day)
);
CREATE INDEX subject_attempts_day ON subject_attempts (day);

CREATE TABLE requests (
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    body_digest BYTEA NOT NULL CHECK (octet_length(body_digest) = 32),
    reply BYTEA NOT NULL,
    created_us BIGINT NOT NULL,
    PRIMARY KEY (caller, request_id)
);
CREATE INDEX requests_created ON requests (created_us);

CREATE TABLE reviews (
    id TEXT PRIMARY KEY,
    subject BYTEA NOT NULL,
    office TEXT NOT NULL,
    captured_by TEXT NOT NULL,
    caller TEXT NOT NULL,
    request_id TEXT NOT NULL,
    purpose TEXT NOT NULL,
    device TEXT NOT NULL,
    reasons TEXT NOT NULL,
    evidence BYTEA,
    created_us BIGINT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('open', 'decided')),
    claimed_by TEXT,
    claimed_us BIGINT,
    decided_by TEXT,
    decided_us BIGINT,
    verdict TEXT,
    -- The second person, also when the code above forgets.
    CHECK (decided_by IS NULL OR decided_by <> captured_by)
);
CREATE INDEX reviews_open ON reviews (office, created_us) WHERE status = 'open';
CREATE INDEX reviews_subject ON reviews (subject);
CREATE INDEX reviews_request ON reviews (caller, request_id);
CREATE INDEX reviews_created ON reviews (created_us);

CREATE TABLE token_uses (
    nonce BYTEA PRIMARY KEY CHECK (octet_length(nonce) = 16),
    expiry_us BIGINT NOT NULL
);
CREATE INDEX token_uses_expiry ON token_uses (expiry_us);

-- The head of each writer's chain.
CREATE TABLE writers (
    writer TEXT PRIMARY KEY,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32)
);

-- A partition a month, made by padan before it writes the first entry of the month.
CREATE TABLE audit_entries (
    writer TEXT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence > 0),
    at_us BIGINT NOT NULL,
    subject BYTEA,
    office TEXT,
    caller TEXT,
    request_id TEXT,
    entry TEXT NOT NULL,
    hash BYTEA NOT NULL CHECK (octet_length(hash) = 32),
    -- The partition key must be part of it; that no sequence comes twice is kept by writers.
    PRIMARY KEY (writer, sequence, at_us)
) PARTITION BY RANGE (at_us);
CREATE INDEX audit_entries_at ON audit_entries (at_us, writer, sequence);
-- One chain by a window of time, as exports and breach scopes ask: the key would be read from the
-- chain's first entry to its last.
CREATE INDEX audit_entries_writer ON audit_entries (writer, at_us, sequence);
CREATE INDEX audit_entries_subject ON audit_entries (subject, at_us) WHERE subject IS NOT NULL;
CREATE INDEX audit_entries_office ON audit_entries (office, at_us) WHERE office IS NOT NULL;
CREATE INDEX audit_entries_request ON audit_entries (caller, request_id)
    WHERE request_id IS NOT NULL;
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE TRIGGER audit_entries_never_change BEFORE UPDATE OR DELETE ON audit_entries
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
-- Partitions inherit the trigger above and not this one: each gets its own when it is made.
CREATE TRIGGER audit_entries_never_emptied BEFORE TRUNCATE ON audit_entries
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

CREATE TABLE checkpoints (
    writer TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    hash BYTEA NOT NULL,
    at_us BIGINT NOT NULL,
    key BYTEA NOT NULL,
    signature BYTEA NOT NULL,
    PRIMARY KEY (writer, sequence)
);
CREATE TRIGGER checkpoints_never_change BEFORE UPDATE OR DELETE ON checkpoints
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_never_emptied BEFORE TRUNCATE ON checkpoints
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- Replayed on a restored backup.
CREATE TABLE erasures (
    subject BYTEA NOT NULL,
    at_us BIGINT NOT NULL,
    PRIMARY KEY (subject, at_us)
);
CREATE INDEX erasures_at ON erasures (at_us, subject);
