//! Several models that are added at the same time.

use padan::model::Manifest;

use super::Models;
use super::made::Net;

#[test]
fn models_that_are_added_at_once_are_all_there() {
    let models = &Models::new("models-at-once");
    let ids = ["one", "two", "three", "four"];
    std::thread::scope(|scope| {
        for id in ids {
            scope.spawn(move || models.add(id, Net::USUAL, &[]));
        }
    });
    let manifest = Manifest::read(models.0.path()).expect("is valid");
    for id in ids {
        let entry = manifest.models().iter().find(|entry| entry.id == id);
        let entry = entry.unwrap_or_else(|| panic!("{id} was lost"));
        manifest.load(entry).expect("has the pinned digest");
    }
}
