//! Who comes to a job and does not belong, or does not come.

use crate::group::{Group, all_done, listeners};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;
use waystream_engine::cluster::Secret;
use waystream_engine::error::ErrorKind;
use waystream_engine::time::{ms, secs};

#[test]
fn who_does_not_belong_is_refused_by_name_and_the_job_runs_with_who_does() {
    type Change = fn(&mut Group, &mut usize);
    let changes: [(Change, &str); 8] = [
        (|group, _| group.member.secret = Secret::of(&[8; 32]).unwrap(), "another secret"),
        (|_, index| *index = 1, "a process 1 is here already"),
        (|group, _| group.workers = 2, "workers: 2, this one with 1"),
        (|group, _| group.member.build = "2".to_owned(), "build 2, this one with 1"),
        (|group, _| group.member.options = "x".to_owned(), "other sources, sinks, settings"),
        (|group, _| group.member.run = "x".to_owned(), "another start"),
        (|group, _| group.member.hosts[2] = "127.0.0.1:9".to_owned(), "process 2 at"),
        (|group, _| group.member.hosts.push("127.0.0.1:9".to_owned()), "processes: 4"),
    ];
    let temporary = tempfile::tempdir().unwrap();
    let mut group = Group::new(temporary.path(), 1000);
    let mut listeners = listeners(3);
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    group.member.hosts = listeners.iter().map(address).collect();
    let last = listeners.pop().unwrap();
    let numbered = listeners.into_iter().enumerate();
    let mut running: Vec<_> =
        numbered.map(|(index, listener)| group.start(index, listener)).collect();
    std::thread::park_timeout(ms(300));
    for (change, named) in changes {
        let (mut other, mut index) = (group.clone(), 2);
        change(&mut other, &mut index);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = other.start(index, listener).end().unwrap_err();
        assert_eq!(error.kind, ErrorKind::Configuration, "{named}: {error}");
        assert!(error.to_string().contains(named), "{named}: {error}");
        assert!(error.to_string().contains(" refuses: ") && error.hint.is_some(), "{error}");
    }
    running.push(group.start(2, last));
    all_done(&running);
    assert!(group.is_exact());
}

#[test]
fn hostile_bytes_cost_the_job_nothing() {
    let temporary = tempfile::tempdir().unwrap();
    let mut group = Group::new(temporary.path(), 1000);
    let mut listeners = listeners(2);
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    group.member.hosts = listeners.iter().map(address).collect();
    let last = listeners.pop().unwrap();
    let first = group.start(0, listeners.pop().unwrap());
    let line = b"waystream processes 001\n";
    let huge = [&line[..], &[7; 32], &u32::MAX.to_le_bytes(), &[0; 4096]].concat();
    let tls = [&[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3][..], &[9; 512]].concat();
    let other_version = [&b"waystream processes 999\n"[..], &[7; 32]].concat();
    let mut noise = Vec::new();
    let mut state = 1_u64;
    for _ in 0..4096 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.push((state >> 56) as u8);
    }
    let http = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_vec();
    let connect = || TcpStream::connect(&group.member.hosts[0]).unwrap();
    let silent: Vec<_> = (0..20).map(|_| connect()).collect();
    for bytes in [noise, http, tls, huge, other_version] {
        let mut stream = connect();
        stream.set_read_timeout(Some(Duration::from_secs(4))).unwrap();
        let _ = stream.write_all(&bytes);
        let mut rest = Vec::new();
        // Closed at once, also where that is a reset; a timeout would be an error of another kind.
        if let Err(error) = stream.read_to_end(&mut rest) {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
        }
        assert!(rest.len() < 100, "strangers are told nothing");
    }
    let second = group.start(1, last);
    all_done(&[first, second]);
    assert!(group.is_exact());
    for mut stream in silent {
        stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
        let closed = stream.read(&mut [0; 100]);
        assert!(
            matches!(closed, Ok(0))
                || closed.is_err_and(|e| e.kind() != std::io::ErrorKind::WouldBlock)
        );
    }
}

#[test]
fn who_does_not_come_is_named() {
    let temporary = tempfile::tempdir().unwrap();
    let mut group = Group::new(temporary.path(), 10);
    group.member.gather_for = secs(1);
    let mut listeners = listeners(2);
    let address = |listener: &TcpListener| listener.local_addr().unwrap().to_string();
    group.member.hosts = listeners.iter().map(address).collect();
    drop(listeners.pop());
    let error = group.start(0, listeners.pop().unwrap()).end().unwrap_err();
    assert!(error.to_string().starts_with("process 1 at 127.0.0.1:"), "{error}");
    assert!(error.to_string().contains("has not come in 1 s"), "{error}");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let error = group.start(1, listener).end().unwrap_err();
    assert!(error.to_string().starts_with("process 0 at 127.0.0.1:"), "{error}");
}
