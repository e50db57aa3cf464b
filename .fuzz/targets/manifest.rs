//! Any text as a manifest, a calibration, a configuration or a list of pairs is valid or refused.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use padan::config::ConfigFile;
use padan::decision::{Calibration, Policy, PolicySpec};
use padan::embed::ContractId;
use padan::evaluation::PairList;
use padan::model::{Manifest, Profile};

fuzz_target!(|text: &str| {
    manifest(text);
    calibration(text);
    if let Ok(file) = toml::from_str::<ConfigFile>(text) {
        assert!(!file.policies().is_empty());
    }
    if let Ok(pairs) = PairList::parse_lfw(text) {
        // A name must not lead out of the folder of the images.
        assert!(pairs.samples().iter().all(|name| !name.starts_with('.')));
        assert!(
            pairs
                .samples()
                .iter()
                .all(|name| name.matches('/').count() == 1)
        );
    }
});

fn manifest(text: &str) {
    let Ok(manifest) = Manifest::parse(Path::new("models"), text) else {
        return;
    };
    for entry in manifest.models() {
        assert!(!entry.file.contains(['/', '\\']) && !entry.file.starts_with('.'));
        assert!(entry.scale.is_finite() && entry.mean.is_finite());
        assert!(entry.contract_id().as_str().starts_with(&entry.id));
        let found = manifest.select(&entry.id, entry.task, Profile::Research);
        assert_eq!(found.expect("it is there").id, entry.id);
        let production = manifest.select(&entry.id, entry.task, Profile::Production);
        assert_eq!(production.is_ok(), entry.commercial_use);
    }
}

fn calibration(text: &str) {
    let Ok(calibration) = toml::from_str::<Calibration>(text) else {
        return;
    };
    let spec = PolicySpec {
        id: "activation".to_owned(),
        fmr: 1e-4,
        review_fmr: 1e-3,
    };
    let contract = ContractId::new(&calibration.model_contract_id);
    if let Ok(policy) = Policy::new(&spec, &calibration, &contract) {
        assert!(policy.impostor_count >= 30_000);
        assert!(policy.threshold.value().is_finite() && policy.review_from.value().is_finite());
        assert!(policy.review_from <= policy.threshold);
    }
}
