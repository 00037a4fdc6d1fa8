//! Connections between processes that fall silent, are cut, or change a bit.

use crate::group::{Group, PARTITIONS, all_done, listeners};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use waystream_engine::error::ErrorKind;
use waystream_engine::time::{ms, secs};

/// What a go-between does to the bytes on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Nothing more arrives, either way, and nobody is told.
    Silence,
    /// The same in one direction.
    OneWaySilence,
    /// The connections are cut.
    Cut,
    /// One bit is flipped.
    Flip,
}

/// Stands between a process and those that dial it. Once as many bytes have gone through as `after`
/// says, trouble begins.
fn go_between(to: String, trouble: Trouble, after: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        while let Ok((near, _)) = listener.accept() {
            let far = TcpStream::connect(&to).unwrap();
            for (way, from, into) in [(0, &near, &far), (1, &far, &near)] {
                let (mut from, mut into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                let after = Arc::clone(&after);
                std::thread::spawn(move || {
                    let mut bytes = [0; 512];
                    while let Ok(read) = from.read(&mut bytes) {
                        let left = after.load(SeqCst);
                        after.store(left.saturating_sub(read), SeqCst);
                        match trouble {
                            _ if read == 0 => break,
                            _ if left > read => {}
                            Trouble::OneWaySilence if way == 0 => {}
                            Trouble::Silence | Trouble::OneWaySilence => continue,
                            Trouble::Cut => break,
                            Trouble::Flip => bytes[read / 2] ^= 4,
                        }
                        if into.write_all(&bytes[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = from.shutdown(Shutdown::Both);
                    let _ = into.shutdown(Shutdown::Both);
                });
            }
        }
    });
    address
}

#[test]
fn a_connection_in_trouble_names_the_peer_and_loses_nothing() {
    use Trouble::{Cut, Flip, OneWaySilence, Silence};
    for (trouble, named) in [
        (Silence, "no sign of life for 1 s"),
        (OneWaySilence, "no sign of life for 1 s"),
        (Cut, "its connection was closed"),
        (Flip, "it sent|bytes were changed"),
    ] {
        let temporary = tempfile::tempdir().unwrap();
        let mut group = Group { workers: 2, ..Group::new(temporary.path(), 1000) };
        group.member.peer_timeout = secs(1);
        group.numbers.limit.store(500, SeqCst);
        let listeners = listeners(2);
        let addresses: Vec<String> =
            listeners.iter().map(|listener| listener.local_addr().unwrap().to_string()).collect();
        let after = Arc::new(AtomicUsize::new(usize::MAX));
        let between = go_between(addresses[0].clone(), trouble, Arc::clone(&after));
        group.member.hosts = vec![between, addresses[1].clone()];
        let numbered = listeners.into_iter().enumerate();
        let running: Vec<_> =
            numbered.map(|(index, listener)| group.start(index, listener)).collect();
        while running[0].metrics.sink("rows").committed.load(SeqCst) < 500 * PARTITIONS {
            std::thread::park_timeout(ms(1));
        }
        after.store(2000, SeqCst);
        group.numbers.limit.store(900, SeqCst);
        let errors: Vec<_> = running.iter().map(|process| process.end().unwrap_err()).collect();
        assert!(errors.iter().all(|error| error.kind == ErrorKind::Lost), "{errors:?}");
        let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert!(texts.iter().all(|text| text.starts_with("process ") && text.contains(" is lost")));
        let is_named = |text: &String| named.split('|').any(|named| text.contains(named));
        assert!(texts.iter().any(is_named), "{trouble:?}: {texts:?}");
        group.numbers.limit.store(u64::MAX, SeqCst);
        all_done(&group.start_all(2));
        assert!(group.is_exact(), "{trouble:?}");
    }
}
