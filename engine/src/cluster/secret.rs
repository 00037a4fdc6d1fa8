//! The key that all processes of a job share: who can prove to have it is let in.

use crate::error::{ErrorKind, JobError, Result, way_out};
use rustix::rand::{GetRandomFlags, getrandom};
use std::fmt;
use std::fmt::Write as _;
use std::io::Read;
use std::path::Path;

/// The shortest text a key is made from.
const MIN_BYTES: usize = 32;
/// The longest.
const MAX_BYTES: u64 = 64 << 10;
/// Keeps this key apart from others that are made from the same text.
const CONTEXT: &str = "waystream 2026 links between the processes of a job";

/// The key of a job's links. It is shown nowhere.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// A key from a text; white space around it does not count.
    ///
    /// # Errors
    /// If it has fewer than 32 bytes.
    pub fn of(text: &[u8]) -> Result<Self> {
        let text = text.trim_ascii();
        if text.len() < MIN_BYTES {
            let what = format!("a secret of {} bytes, at least {MIN_BYTES} are needed", text.len());
            return Err(JobError::configuration(what)
                .hint("make one with: head -c 32 /dev/urandom | base64 > FILE"));
        }
        Ok(Self(blake3::derive_key(CONTEXT, text)))
    }

    /// The key in a file.
    ///
    /// # Errors
    /// If it cannot be read or holds too little.
    pub fn read(path: &Path) -> Result<Self> {
        let mut text = Vec::new();
        let read =
            std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_end(&mut text));
        let place = path.display().to_string();
        read.map_err(|error| {
            let hint = way_out(&error);
            let what = "cannot read the secret";
            JobError::configuration(what).at(&place).hint(hint).caused_by(error)
        })?;
        Self::of(&text).map_err(|error| error.at(place))
    }

    /// The proof of having the key for what these parts say. Comparing two takes the same time
    /// wherever they differ.
    pub(super) fn proof(&self, parts: &[&[u8]]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.finalize()
    }
}

/// Bytes that nobody can guess.
///
/// # Errors
/// If the system has none.
pub(super) fn random_bytes() -> Result<[u8; 32]> {
    let mut bytes = [0; 32];
    let mut filled = 0;
    while filled < bytes.len() {
        filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty()).map_err(|error| {
            JobError::new(ErrorKind::Unavailable, "the system gives no random bytes")
                .hint("let the process use getrandom(2)")
                .caused_by(std::io::Error::from(error))
        })?;
    }
    Ok(bytes)
}

/// A text that nobody can guess, to make a [`Secret`] from.
///
/// # Errors
/// If the system has no random bytes.
pub fn random_text() -> Result<String> {
    let mut text = String::with_capacity(64);
    for byte in random_bytes()? {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_is_of_the_key_and_of_every_part_where_it_stands() {
        let long = |letter: &str| Secret::of(letter.repeat(40).as_bytes()).unwrap();
        let (key, other) = (long("a"), long("b"));
        let proof = key.proof(&[b"one", b"two"]);
        assert!(proof == key.proof(&[b"one", b"two"]));
        assert!(proof != other.proof(&[b"one", b"two"]));
        assert!(proof != key.proof(&[b"onet", b"wo"]) && proof != key.proof(&[b"two", b"one"]));
        assert_eq!(format!("{key:?}"), "Secret(…)");
    }

    #[test]
    fn a_short_secret_is_refused_and_white_space_does_not_count() {
        let short = Secret::of(b"  0123456789012345678901234567890 \n").unwrap_err();
        assert!(short.to_string().contains("31 bytes"), "{short}");
        let text = random_text().unwrap();
        let same = |with: String| Secret::of(with.as_bytes()).unwrap().proof(&[]);
        assert!(same(text.clone()) == same(format!("{text}\n")));
        assert_ne!(text, random_text().unwrap());
    }
}
