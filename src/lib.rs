//! # padan
//!
//! Face verification for digital identity activation. One question: is the person in this live
//! selfie (the *probe*) the person in the enrolled portrait (the *reference*)? The answer is a
//! decision that an office can defend: with reasons, the policy that decided, the false match rate
//! its threshold stands for, and the contract of the model that measured.
//!
//! ## The flow
//!
//! ```text
//! grpc ─ convert ─► verify ─► engine: one lane a sample ─► compare ─► decision ─► convert ─ grpc
//!                                      │
//!                                      └─ pipeline: decode ► detect ► align ► assess ► embed
//!
//! by NIK:  access ─► activation: consent ► number ► reference ► attempts ► verify ► commit ─► told
//!                                              │                                │
//!                          records: store + keys                 entry, attempt, reply, token
//!
//! models:  serving: which are loaded, which serves ─ a request keeps its own to the end
//!             └─ load beside ► shadow ► activate ◄► roll back
//!
//! the workbench, evaluation:
//!          dataset ─► acquire ─► scoring ─► measures: rates, intervals ─► report
//!                        │                      ├─► comparison ─► gate ─► verdict
//!                        └─ pipeline, cache     └─► calibration ─► decision
//! ```
//!
//! ## The map, in reading order
//!
//! | module | what it knows | where to start |
//! |---|---|---|
//! | [`sample`] | bytes → pixels → faces → quality → aligned crop | [`sample::decode::decode`], [`sample::detect::locate`] |
//! | [`embed`] | embeddings, templates, contract ids; two networks as one | [`embed::Template`], [`embed::FusedEmbedder`] |
//! | [`compare`] | similarity of two templates of one contract, by one network or a cascade of two | [`compare::compare`], [`compare::Scoring`] |
//! | [`decision`] | calibrations, policies, reasons | [`decision::decide`] |
//! | [`engine`] | lanes, the bounded queue, deadlines, batches for a device | [`engine::Engine`] |
//! | [`pipeline`] | what a lane does with one sample | [`pipeline::Pipeline::run`] |
//! | [`serving`] | the loaded models, which of them serves, how that is changed, a candidate in shadow | [`serving::Registry`], [`serving::Swap`] |
//! | [`verify`] | a request's way: two samples, one decision | [`verify::Verifier::verify`] |
//! | [`model`] | manifest, ONNX Runtime, its providers, detector and embedders; bringing a network in | [`model::Manifest`], [`model::prepare()`] |
//! | [`grpc`] | the contract on the wire | [`grpc::serve`] |
//! | [`load`] | load on a server, and what it measures | [`load::run`] |
//! | [`evaluation`] | the workbench: data sets, error rates with intervals, degradations, comparison of models, thresholds | [`evaluation::evaluate`], [`evaluation::measure`] |
//! | [`report`] | tables, JSON, Markdown and HTML for people | [`report::html`], [`report::evaluation`] |
//! | [`telemetry`] | logs and metrics | [`telemetry::Metrics`] |
//! | [`subject`] | the NIK, and the keyed hash that stands for it | [`subject::Nik::parse`] |
//! | [`access`] | roles, callers, and who may call what | [`access::METHODS`] |
//! | [`keys`] | the keys, sealing, rotation of the master key | [`keys::KeyRing::read`] |
//! | [`token`] | signed results that a backend redeems | [`token::check`] |
//! | [`audit`] | what was decided, hash-chained and signed | [`audit::Entry`], [`audit::verify_export`] |
//! | [`store`] | subjects, sealed references, decisions, evidence; SQLite or PostgreSQL | [`store::Store`] |
//! | [`records`] | the store with the keys that open it | [`records::Records::open_found`] |
//! | [`activation`] | a verification by NIK: from consent to a durable decision | [`activation::Activation::verify`] |
//! | [`trail`] | the trail of a running service: checkpoints, the journal, checks, exports | [`trail::Journal`] |
//! | [`privacy`] | consents withdrawn, erasure, export of what is kept of one person; receipts | [`privacy::Privacy`] |
//! | [`review`] | the queue of cases for a human | [`review::Reviews`] |
//! | [`retention`] | what is kept only for a time goes | [`retention::run`] |
//! | [`enrolment`] | portraits to sealed references; imports, rotation of keys | [`enrolment::Enrolment::put`] |
//! | [`digest`] | bytes as hexadecimal digits, SHA-256 | [`digest::sha256_hex`] |
//! | [`config`] | command line, file, environment → validated settings | [`config::Config::load`] |
//! | [`app`] | puts it all together | [`app::App::start`] |
//! | [`cli`] | one file for each subcommand | [`cli::run`] |
//!
//! ## Invariants, and the test that guards each
//!
//! - There is no 1:N search: no function takes one face and many
//!   (`tests/integration/tidy/promises.rs`).
//! - Domain modules do not know tonic, prost or ort; only [`model`] says `use ort`
//!   (`tests/integration/tidy.rs`).
//! - Only [`store`] knows sqlx and rusqlite (`tests/integration/tidy.rs`). What it answered is
//!   durable, with its entry in the audit trail (`tests/integration/crash.rs`); what it could not
//!   write was not done, and can be asked for again (`tests/integration/full_disk.rs`).
//! - Only [`decision`] compares a similarity with a threshold (`tests/integration/tidy.rs`).
//! - An embedding has unit length (`embed::tests`); scores of two contracts are never compared
//!   (`compare::tests::two_contracts_never_compare`).
//! - Each accepted job gets exactly one reply, also when a lane panics (`engine::tests`); no queue
//!   is unbounded (`engine::queue::tests`).
//! - A request ends on the model it began with, by that model's policies, and what could not be
//!   loaded leaves what served before serving (`serving::tests`, `tests/integration/swap.rs`).
//! - Templates that a model made hold as long as that model is loaded, and no longer
//!   (`serving::tests::each_contract_that_is_loaded_is_asked_for_the_active_one_first`). A shadow
//!   keeps counts and nothing else (`tests/integration/swap/shadow.rs`).
//! - The similarity of two networks is the weighted sum of theirs, and the second is asked only
//!   where the band says so (`embed::fusion::tests`, `tests/integration/fusion.rs`).
//! - A network that was prepared computes what the given one does
//!   (`tests/integration/models_command.rs`), and a contract id changes with everything that moves
//!   an embedding (`model::manifest::tests`). Production runs no model whose licence forbids
//!   commercial use (`model::manifest::tests`).
//! - A false match rate that the comparisons cannot support is refused
//!   (`evaluation::measures::tests`), and a threshold serves the contract that it was measured with
//!   and no other (`tests/integration/embedders.rs`).
//! - A failure to acquire is a non-match, and no impostor comparison
//!   (`evaluation::scoring::tests::a_sample_that_was_lost_loses_its_genuine_comparisons_only`).
//! - What a gate demands and nobody measured is never a pass
//!   (`evaluation::gate::tests::what_was_not_measured_is_an_error_and_never_a_pass`).
//! - Remembered embeddings are used only where nobody else can read them
//!   (`evaluation::cache::tests::what_others_may_read_is_not_used`).
//! - A face that finds the accelerator free is computed at once, and none waits for one that failed
//!   (`engine::buckets::tests`, `engine::batcher::tests`).
//! - A provider computes all of a model, or padan does not start
//!   (`tests/integration/start/accelerators.rs`, `tests/integration/openvino.rs`).
//! - Results are not errors, and no error becomes a match (`decision::tests`,
//!   `tests/integration/bad_input.rs`).
//! - No image, embedding or similarity reaches a log, a metric or an error text
//!   (`tests/integration/privacy.rs`); no key and no NIK prints itself (`keys::tests`,
//!   `subject::nik::tests`).
//! - A decision about a subject is told only once it is durable, and was made of what still stands
//!   then (`tests/integration/activation/repetition.rs`, `tests/integration/crash.rs`).
//! - Without a consent that holds no template is computed
//!   (`tests/integration/activation/consent.rs`).
//! - The database itself refuses to change or remove entries and checkpoints
//!   (`tests/integration/store/append_only.rs`).
//! - Rows that were swapped or changed, and other keys, open nothing
//!   (`tests/integration/tampering.rs`); nothing of a person is left in any file of a killed server
//!   (`tests/integration/canaries.rs`).
//! - A role calls what the one table of methods says and nothing else, and records are not open to
//!   a network (`tests/integration/access.rs`).
//! - Nothing can be changed in an exported trail without being found (`audit::export::verifier`).
//! - Whoever was erased stays erased, also in a backup that is restored, and what is kept only for
//!   a time goes when it is over (`tests/integration/privacy_duties.rs`,
//!   `tests/integration/retention.rs`). Who captured does not decide
//!   (`tests/integration/review.rs`).
//! - What a lane saw before changes nothing about a sample, bit for bit
//!   (`tests/integration/reuse.rs`), and its workspace holds no face between two samples
//!   (`pipeline::tests`).
//! - Ready means: models loaded, warmed, and golden faces gave their known similarity
//!   (`app::golden`, `tests/integration/start.rs`).

#![cfg_attr(
    test,
    allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        clippy::float_cmp,
        clippy::many_single_char_names,
        reason = "tests work with small made-up numbers"
    )
)]

pub mod sample;

pub mod embed;

pub mod compare;

pub mod decision;

pub mod engine;

pub mod pipeline;

pub mod serving;

pub mod verify;

pub mod subject;

pub mod access;

pub mod keys;

pub mod token;

pub mod audit;

pub mod store;

pub mod records;

pub mod activation;

pub mod privacy;

pub mod review;

pub mod retention;

pub mod enrolment;
pub mod trail;

pub mod model;

pub mod grpc;

pub mod load;

pub mod evaluation;

pub mod report;

pub mod telemetry;

pub mod digest;

pub mod config;

pub mod app;

pub mod cli;
