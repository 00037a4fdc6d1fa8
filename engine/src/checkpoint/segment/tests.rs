//! Any bytes may come where a segment or a manifest should be: they are refused, whatever lengths
//! they claim.

use super::*;
use crate::checkpoint::Manifest;
use proptest::prelude::*;

fn segment() -> Vec<u8> {
    let mut writer = SegmentWriter::default();
    for name in ["sums", "counts"] {
        let mut entries = Entries::default();
        for key in 0..20_u16 {
            entries.put(key * 7, &key, &"state").unwrap();
        }
        entries.remove(3, &99_u16).unwrap();
        writer.section(name, &entries);
    }
    let mut buffers = Vec::new();
    Buffer::open(&mut buffers).extend_from_slice(b"one two");
    writer.staged("rows", Staged { rows: 2, buffers });
    let segment = writer.finish().unwrap();
    let bytes = segment.slices().collect::<Vec<_>>().concat();
    assert_eq!((bytes.len() as u64, file_hash(&bytes)), (segment.length, segment.hash));
    bytes
}

/// A file around this footer, with checksums that are right.
fn forged(footer: &[u8]) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(b"a block");
    bytes.extend_from_slice(footer);
    bytes.extend_from_slice(&(footer.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&crc32fast::hash(footer).to_le_bytes());
    bytes.extend_from_slice(MAGIC);
    bytes
}

#[test]
fn forged_lengths_are_refused_before_memory_is_taken() {
    for (start, length) in [(8, u64::MAX), (u64::MAX, 8), (u64::MAX, u64::MAX), (8, 1 << 40)] {
        let staged = StagedBlock { sink: "rows".to_owned(), start, length, crc: 0, rows: u64::MAX };
        let footer = Footer { sections: Vec::new(), staged: vec![staged] };
        let bytes = forged(&postcard::to_stdvec(&footer).unwrap());
        let error = Segment::parse(bytes).unwrap_err();
        assert!(error.what.ends_with("a block lies outside the file"), "{error}");
    }
    // A count of 2^62 sections.
    let mut many = vec![0xFF; 8];
    many.push(0x3F);
    assert!(Segment::parse(forged(&many)).unwrap_err().what.ends_with("footer"));
}

#[test]
fn forged_entries_are_refused() {
    let crc = crc32fast::hash(b"a block");
    for groups in [vec![(0, 0)], vec![(0, u64::MAX)], vec![(0, 5), (1, 2)], vec![(0, 100)]] {
        let section = Section { name: "sums".to_owned(), start: 8, length: 7, crc, groups };
        let footer = Footer { sections: vec![section], staged: Vec::new() };
        let segment = Segment::parse(forged(&postcard::to_stdvec(&footer).unwrap())).unwrap();
        assert!(segment.entries("sums", 0..2).is_err());
    }
}

proptest! {
    #[test]
    fn changed_segments_are_refused(
        at in any::<prop::sample::Index>(),
        xor in 1..=255_u8,
        cut in any::<prop::sample::Index>(),
    ) {
        let whole = segment();
        prop_assert!(Segment::parse(whole.clone()).is_ok());
        let mut changed = whole.clone();
        changed[at.index(whole.len())] ^= xor;
        prop_assert!(Segment::parse(changed).is_err());
        prop_assert!(Segment::parse(whole[..cut.index(whole.len())].to_vec()).is_err());
    }

    #[test]
    fn changed_manifests_are_refused(at in any::<prop::sample::Index>(), xor in 1..=255_u8) {
        let whole = Manifest::first("job").encode().unwrap();
        prop_assert!(Manifest::decode(&whole).is_ok());
        let mut changed = whole.clone();
        changed[at.index(whole.len())] ^= xor;
        prop_assert!(Manifest::decode(&changed).is_err());
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Segment::parse(bytes.clone()).is_err());
        prop_assert!(Manifest::decode(&bytes).is_err());
        // A footer of any bytes may be sound by chance; to read it is no danger.
        if let Ok(segment) = Segment::parse(forged(&bytes)) {
            for section in segment.sections() {
                let _ = segment.entries(section, 0..u16::MAX);
            }
        }
    }
}
