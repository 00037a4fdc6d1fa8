//! How bytes stand between two processes: a kind, a length that is looked at before any memory is
//! taken for it, a CRC-32, and the bytes.

/// Bytes of a frame's head: kind, three that are always the same, length, CRC-32.
pub(super) const HEAD: usize = 12;
/// The most bytes in one frame.
pub(super) const MAX_PAYLOAD: usize = 1 << 20;
const MARK: [u8; 3] = *b"wsl";

/// What a frame holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Bytes of the dataflow.
    Data,
    /// Nothing: the process is alive.
    Beat,
    /// The dataflow came to its end, and all of its bytes have been sent.
    End,
    /// The sender has failed; bytes may be missing.
    Failed,
    /// A part of a message, with more to come.
    Part,
    /// The rest of a message.
    Message,
}

impl Kind {
    const ALL: [Self; 6] =
        [Self::Data, Self::Beat, Self::End, Self::Failed, Self::Part, Self::Message];
}

/// The head of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Head {
    pub(super) kind: Kind,
    pub(super) length: usize,
    crc: u32,
}

/// Puts a frame at the end of `into`. At most [`MAX_PAYLOAD`] bytes fit.
pub(super) fn encode(kind: Kind, payload: &[u8], into: &mut Vec<u8>) {
    debug_assert!(payload.len() <= MAX_PAYLOAD, "the caller splits what is longer");
    let start = into.len();
    into.push(kind as u8);
    into.extend(MARK);
    into.extend((payload.len() as u32).to_le_bytes());
    let crc = checksum(&into[start..], payload);
    into.extend(crc.to_le_bytes());
    into.extend_from_slice(payload);
}

impl Head {
    /// Reads a head; what is none says why.
    pub(super) fn decode(bytes: [u8; HEAD]) -> Result<Self, &'static str> {
        let [kind, m1, m2, m3, l1, l2, l3, l4, c1, c2, c3, c4] = bytes;
        if [m1, m2, m3] != MARK {
            return Err("bytes that are no frame");
        }
        let kind = Kind::ALL.get(usize::from(kind)).copied().ok_or("a frame of an unknown kind")?;
        let length = u32::from_le_bytes([l1, l2, l3, l4]) as usize;
        if length > MAX_PAYLOAD {
            return Err("a frame that is too long");
        }
        Ok(Self { kind, length, crc: u32::from_le_bytes([c1, c2, c3, c4]) })
    }

    /// Whether these are the bytes that were sent.
    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        let mut head = [self.kind as u8, MARK[0], MARK[1], MARK[2], 0, 0, 0, 0];
        head[4..].copy_from_slice(&(self.length as u32).to_le_bytes());
        payload.len() == self.length && checksum(&head, payload) == self.crc
    }
}

fn checksum(head: &[u8], payload: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(head);
    hasher.update(payload);
    hasher.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decoded(bytes: &[u8]) -> Result<(Kind, Vec<u8>), &'static str> {
        let head: [u8; HEAD] = bytes.get(..HEAD).ok_or("cut")?.try_into().map_err(|_| "cut")?;
        let head = Head::decode(head)?;
        let payload = bytes.get(HEAD..HEAD + head.length).ok_or("cut")?;
        head.fits(payload).then(|| (head.kind, payload.to_vec())).ok_or("changed")
    }

    proptest! {
        #[test]
        fn what_is_framed_comes_back(kind in 0..Kind::ALL.len(), payload: Vec<u8>) {
            let mut bytes = Vec::new();
            encode(Kind::ALL[kind], &payload, &mut bytes);
            prop_assert_eq!(bytes.len(), HEAD + payload.len());
            prop_assert_eq!(decoded(&bytes), Ok((Kind::ALL[kind], payload)));
        }

        #[test]
        fn a_flipped_bit_is_seen(payload: Vec<u8>, at: prop::sample::Index, bit in 0..8_u32) {
            let mut bytes = Vec::new();
            encode(Kind::Data, &payload, &mut bytes);
            bytes[at.index(HEAD + payload.len())] ^= 1_u8 << bit;
            prop_assert!(decoded(&bytes).is_err());
        }

        #[test]
        fn bytes_of_others_are_no_frame(bytes: [u8; HEAD]) {
            let head = Head::decode(bytes);
            prop_assert!(bytes[1..4] == MARK || head.is_err());
            prop_assert!(head.is_ok_and(|head| head.length <= MAX_PAYLOAD) || head.is_err());
        }
    }

    #[test]
    fn a_length_of_four_gigabytes_is_refused_by_its_head() {
        let mut head = [0; HEAD];
        head[1..4].copy_from_slice(&MARK);
        head[4..8].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(Head::decode(head), Err("a frame that is too long"));
    }
}
