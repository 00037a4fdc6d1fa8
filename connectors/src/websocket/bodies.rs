//! Long answers, each made once for all who are sent it: a client that asks and never reads holds
//! a reference, not a copy.

use super::hub::lock;
use axum::body::{Body, Bytes};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, Weak};

/// Versions of one answer that clients may hold at once. Who asks while so many are held gets the
/// newest of them: at most [`Limits::exchange`](super::Limits) old, as nobody holds one for longer.
const VERSIONS: usize = 8;

/// An answer with its entity tag.
#[derive(Clone, Debug)]
pub(super) struct Version {
    pub(super) etag: Arc<str>,
    pub(super) bytes: Arc<[u8]>,
}

/// The versions that clients are being sent, by the name of what they show, oldest first. Bound:
/// the names, and [`VERSIONS`] of each.
#[derive(Clone, Debug, Default)]
pub(super) struct Bodies(Arc<Mutex<BTreeMap<String, Vec<Held>>>>);

#[derive(Debug)]
struct Held {
    etag: Arc<str>,
    bytes: Weak<[u8]>,
}

impl Held {
    fn version(&self) -> Option<Version> {
        Some(Version { etag: Arc::clone(&self.etag), bytes: self.bytes.upgrade()? })
    }
}

impl Bodies {
    /// The answer with this entity tag, or what is made now.
    pub(super) fn of<E>(
        &self,
        name: &str,
        etag: &str,
        make: impl FnOnce() -> Result<Version, E>,
    ) -> Result<Version, E> {
        // Held while one is made, so that who asks for the same waits for it.
        let mut all = lock(&self.0);
        let held = all.entry(name.to_owned()).or_default();
        held.retain(|held| held.bytes.strong_count() > 0);
        let same = held.iter().find(|held| &*held.etag == etag);
        let newest = held.last().filter(|_| held.len() >= VERSIONS);
        if let Some(version) = same.or(newest).and_then(Held::version) {
            return Ok(version);
        }
        let version = make()?;
        held.push(Held { etag: version.etag.clone(), bytes: Arc::downgrade(&version.bytes) });
        Ok(version)
    }
}

/// Bytes as a body that shares them.
pub(super) fn body(bytes: Arc<[u8]>) -> Body {
    struct Owner(Arc<[u8]>);
    impl AsRef<[u8]> for Owner {
        fn as_ref(&self) -> &[u8] {
            &self.0
        }
    }
    Body::from(Bytes::from_owner(Owner(bytes)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;

    fn version(number: usize) -> Version {
        let bytes = number.to_string().into_bytes().into();
        Version { etag: number.to_string().into(), bytes }
    }

    #[test]
    fn so_many_versions_are_held_and_then_the_newest_is_given() {
        let bodies = Bodies::default();
        let get = |number: usize| {
            let Ok(version) =
                bodies.of::<Infallible>("live", &number.to_string(), || Ok(version(number)));
            version.bytes
        };
        let mut held: Vec<_> = (0..100).map(get).collect();
        for (number, bytes) in held.iter().enumerate() {
            assert_eq!(*bytes, version(number.min(VERSIONS - 1)).bytes);
        }
        assert!(Arc::ptr_eq(&held[3], &get(3)), "the same is not made again");
        held.remove(0);
        assert_eq!(*get(200), *version(200).bytes, "one was let go");
        drop(held);
        get(300);
        assert_eq!(lock(&bodies.0)["live"].len(), 1, "what nobody holds is forgotten");
    }
}
