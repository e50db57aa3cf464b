use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::embed::ContractId;

fn wrapper() -> LocalWrapper {
    LocalWrapper::random().expect("random bytes")
}

fn key() -> SubjectKey {
    SubjectKey::random().expect("random bytes")
}

#[test]
fn a_wrapped_key_comes_back_for_its_subject_only() {
    let (ring, key) = (ring(), key());
    let wrapped = ring.wrap(&key, &subject(1)).expect("wrapped");
    assert_eq!(wrapped.master_key_id, *ring.active_master_key());
    assert_eq!(wrapped.bytes.len(), 60);
    let found = ring.unwrap(&wrapped, &subject(1)).expect("unwraps");
    assert_eq!(found.expose(), key.expose());
    let refused = WrapError::DoesNotUnwrap(ring.active_master_key().clone());
    let found = ring
        .unwrap(&wrapped, &subject(2))
        .expect_err("another subject");
    assert_eq!(found, refused);
    for bit in 0..60 * 8 {
        let mut flipped = wrapped.clone();
        flipped.bytes[bit / 8] ^= 1 << (bit % 8);
        let found = ring
            .unwrap(&flipped, &subject(1))
            .expect_err("a flipped bit");
        assert_eq!(found, refused, "bit {bit}");
    }
    for length in (0..60).chain([61, 92]) {
        let mut resized = wrapped.clone();
        resized.bytes.resize(length, 0);
        let found = ring
            .unwrap(&resized, &subject(1))
            .expect_err("another length");
        assert_eq!(found, refused, "{length} bytes");
    }
}

#[test]
fn a_master_key_that_is_not_here_is_named() {
    let (one, other) = (ring(), ring());
    let wrapped = one.wrap(&key(), &subject(1)).expect("wrapped");
    let error = other
        .unwrap(&wrapped, &subject(1))
        .expect_err("another master key");
    assert_eq!(
        error,
        WrapError::UnknownMasterKey(one.active_master_key().clone())
    );
    let text = error.to_string();
    assert!(text.contains(one.active_master_key().as_str()), "{text}");
    assert!(text.contains("padan keys show"), "{text}");
    // Relabelled with a master key that is here, it does not unwrap.
    let relabelled = WrappedKey {
        master_key_id: other.active_master_key().clone(),
        ..wrapped
    };
    let error = other
        .unwrap(&relabelled, &subject(1))
        .expect_err("another key");
    assert_eq!(
        error,
        WrapError::DoesNotUnwrap(other.active_master_key().clone())
    );
}

#[test]
fn a_new_master_key_leaves_what_is_sealed_readable() {
    let (old, new, key) = (wrapper(), wrapper(), key());
    let place = Binding::template(&subject(1), &ContractId::new("m:1"), 1);
    let sealed = seal(&key, &place, b"a template").expect("sealed");
    let wrapped = wrap::wrap(&key, &subject(1), &old).expect("wrapped");
    let again = rewrap(&wrapped, &subject(1), &old, &new).expect("rewrapped");
    assert_eq!(again.master_key_id, *new.id());
    let unwrapped = wrap::unwrap(&again, &subject(1), &new).expect("unwraps");
    let opened = open(&unwrapped, &place, &sealed).expect("opens");
    assert_eq!(opened.as_slice(), b"a template");
    // The old master key is of no use any more for the new wrapping.
    let error = wrap::unwrap(&again, &subject(1), &old).expect_err("under the new key");
    assert_eq!(error, WrapError::UnknownMasterKey(new.id().clone()));
    // Nothing is rewrapped that is not of this subject or this key.
    rewrap(&wrapped, &subject(2), &old, &new).expect_err("another subject");
    rewrap(&wrapped, &subject(1), &new, &old).expect_err("another key");
}

/// A key service that is gone.
#[derive(Debug)]
struct Gone(KeyId);

impl KeyWrapper for Gone {
    fn id(&self) -> &KeyId {
        &self.0
    }

    fn wrap(&self, _: &SubjectKey, _: &[u8]) -> Result<Vec<u8>, WrapError> {
        Err(WrapError::Service {
            id: self.0.clone(),
            cause: "no route".to_owned(),
        })
    }

    fn unwrap(&self, _: &[u8], associated: &[u8]) -> Result<SubjectKey, WrapError> {
        self.wrap(&key(), associated).and_then(|_| {
            SubjectKey::from_slice(&[]).ok_or_else(|| WrapError::DoesNotUnwrap(self.0.clone()))
        })
    }
}

#[test]
fn a_key_service_that_fails_is_named_and_nothing_is_wrapped() {
    let gone = Gone(KeyId::new("kms/1").expect("a name"));
    let error = wrap::wrap(&key(), &subject(1), &gone).expect_err("gone");
    assert_eq!(
        error.to_string(),
        "the key service of the master key kms/1 failed: no route"
    );
    let wrapped = wrap::wrap(&key(), &subject(1), &wrapper()).expect("wrapped");
    let relabelled = WrappedKey {
        master_key_id: gone.id().clone(),
        ..wrapped
    };
    wrap::unwrap(&relabelled, &subject(1), &gone).expect_err("gone");
}

#[test]
fn a_key_service_is_active_and_master_keys_at_hand_still_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let keys = folder.path().join("keys");
    create_keys(&keys, now()).expect("made");
    let sources = [KeySource::Folder(keys)];
    let local = KeyRing::read(&sources, &|_| None, now()).expect("read");
    let old = local.wrap(&key(), &subject(1)).expect("wrapped");
    let service: Arc<dyn KeyWrapper> = Arc::new(wrapper());
    let id = service.id().clone();
    let ring = KeyRing::read_with_wrapper(&sources, &|_| None, service, now()).expect("read");
    assert_eq!(*ring.active_master_key(), id);
    let again = ring
        .rewrap(&old, &subject(1))
        .expect("rewrapped")
        .expect("is new");
    assert_eq!(again.master_key_id, id);
    let [before, after] = [&old, &again].map(|it| ring.unwrap(it, &subject(1)).expect("unwraps"));
    assert_eq!(before.expose(), after.expose());
    assert_eq!(ring.rewrap(&again, &subject(1)), Ok(None), "it is already");
}

proptest! {
    /// However often the master key changes, the subject's key is the same.
    #[test]
    fn any_chain_of_master_keys_keeps_the_key(masters in 1..6_usize, byte: u8) {
        let key = key();
        let mut from = wrapper();
        let mut wrapped = wrap::wrap(&key, &subject(byte), &from).expect("wrapped");
        for _ in 0..masters {
            let to = wrapper();
            wrapped = rewrap(&wrapped, &subject(byte), &from, &to).expect("rewrapped");
            from = to;
        }
        let found = wrap::unwrap(&wrapped, &subject(byte), &from).expect("unwraps");
        prop_assert_eq!(found.expose(), key.expose());
    }

    #[test]
    fn no_bytes_unwrap_by_chance(bytes: Vec<u8>) {
        let ring = ring();
        let wrapped = WrappedKey { master_key_id: ring.active_master_key().clone(), bytes };
        prop_assert!(ring.unwrap(&wrapped, &subject(1)).is_err());
    }
}
