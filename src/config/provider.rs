//! `[provider]`: where embeddings are computed.

use super::cores;
use super::file::ProviderTable;
use crate::engine::Buckets;
use crate::model::{Provider, ProviderKind};

/// The validated table.
pub fn provider(table: &ProviderTable, mistakes: &mut Vec<String>) -> Provider {
    let buckets = Buckets::new(&table.batch_sizes).unwrap_or_else(|error| {
        mistakes.push(format!("provider.batch_sizes: {error}"));
        Buckets::single()
    });
    if table.threads > 1024 {
        mistakes.push("provider.threads must be at most 1024 (0: one for each core)".to_owned());
    }
    let device = table.device.as_deref();
    if let Some(expected) = device.and_then(|device| wrong_device(table.name, device)) {
        mistakes.push(format!(
            "provider.device of {} must be {expected}",
            table.name
        ));
    }
    Provider {
        kind: table.name,
        // A file for an accelerator may be run with `--provider cpu`.
        device: table.device.clone().filter(|_| table.name.is_accelerator()),
        threads: if table.threads == 0 {
            cores().get()
        } else {
            table.threads
        },
        buckets,
    }
}

/// What the device of this provider must look like, when this one does not.
fn wrong_device(kind: ProviderKind, device: &str) -> Option<&'static str> {
    match kind {
        ProviderKind::Cpu => None,
        ProviderKind::Cuda | ProviderKind::TensorRt => {
            let is_card = device.parse().is_ok_and(|number: u8| number < 64);
            (!is_card).then_some("the number of a card, 0 to 63, as text")
        }
        ProviderKind::OpenVino => {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "._:,-".contains(c);
            let is_name = (1..=64).contains(&device.len()) && device.chars().all(is_plain);
            (!is_name).then_some("a device of OpenVINO, for example \"CPU\", \"GPU.0\" or \"NPU\"")
        }
    }
}
