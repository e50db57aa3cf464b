//! One binary for all tests against the real thing: real models, a real server on a real socket,
//! real portraits.

#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod support;

mod access;
mod activation;
mod audit;
mod bad_input;
mod batching;
mod canaries;
mod crash;
mod decisions;
mod detection;
mod embedders;
mod enrolled;
mod enrolment;
mod evaluation;
mod full_disk;
mod fusion;
mod golden;
mod keys_command;
mod load;
mod load_command;
mod models_command;
mod overload;
mod people;
mod privacy;
mod privacy_duties;
mod protocol;
mod replicas;
mod retention;
mod reuse;
mod review;
mod start;
mod store;
mod swap;
mod tampering;
mod templates;
mod tidy;
mod trail;
