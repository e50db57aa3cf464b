//! The keys: which there are, where they come from, and what is done with them.
//!
//! | key | what it does |
//! |---|---|
//! | NIK key | turns a NIK into a [`SubjectHash`](crate::subject::SubjectHash) |
//! | master keys | wrap the keys of the subjects; one is active, older ones only unwrap |
//! | subject keys | seal what is stored of one subject; destroying one erases the subject |
//! | audit key | signs the checkpoints of the audit trail (Ed25519) |
//! | token key | signs result tokens (Ed25519) |
//!
//! Keys are overwritten in memory when they are dropped, and nothing here prints one.

mod command;
mod error;
mod folder;
mod id;
mod line;
mod nik;
mod ring;
mod seal;
mod secret;
mod signing;
mod source;
mod wrap;

pub use error::{KeyError, LineProblem};
pub use folder::{add_master_key, create_keys};
pub use id::{KeyId, KeyKind, NotAKeyId};
pub use nik::NikKey;
pub use ring::{KeyRing, KeyState, KeySummary};
pub use seal::{Binding, NONCE_BYTES, SealError, Sealed, open, seal};
pub use secret::{NoRandomness, fill_random};
pub use signing::{PublicKey, PublicKeyError, SigningKey};
pub use source::{COMMAND_TIME_MAX, KeySource};
pub use wrap::{KeyWrapper, LocalWrapper, SubjectKey, WrapError, WrappedKey, rewrap};

#[cfg(test)]
mod tests;
