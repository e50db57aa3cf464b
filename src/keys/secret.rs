//! 32 secret bytes.

use zeroize::{Zeroize as _, ZeroizeOnDrop};

/// The length of every key of padan, bytes.
pub const KEY_BYTES: usize = 32;

/// A key. On the heap, so that moving it leaves no copy behind; overwritten when dropped.
pub struct Secret(Box<[u8; KEY_BYTES]>);

/// The operating system gave no random bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoRandomness(getrandom::Error);

impl Secret {
    /// Fresh random bytes from the operating system.
    pub fn random() -> Result<Self, NoRandomness> {
        let mut secret = Self(Box::new([0; KEY_BYTES]));
        fill_random(secret.0.as_mut_slice())?;
        Ok(secret)
    }

    /// A key from its bytes; none when there are not 32.
    pub fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut secret = Self(Box::new([0; KEY_BYTES]));
        if bytes.len() != KEY_BYTES {
            return None;
        }
        secret.0.copy_from_slice(bytes);
        Some(secret)
    }

    pub fn from_bytes(bytes: &[u8; KEY_BYTES]) -> Self {
        let mut secret = Self(Box::new([0; KEY_BYTES]));
        secret.0.copy_from_slice(bytes);
        secret
    }

    pub fn expose(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// Whether all bytes are the same: a placeholder, not a key.
    pub fn is_placeholder(&self) -> bool {
        self.0.iter().all(|byte| Some(byte) == self.0.first())
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl ZeroizeOnDrop for Secret {}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// Fills `bytes` from the operating system.
///
/// # Errors
/// When it gives no random bytes.
pub fn fill_random(bytes: &mut [u8]) -> Result<(), NoRandomness> {
    getrandom::fill(bytes).map_err(NoRandomness)
}
