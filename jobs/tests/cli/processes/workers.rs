//! Processes that nobody supervises, as on several hosts.

use super::{Place, Running, is_alive, signal, wait};
use std::io::Write;
use std::net::{TcpListener, TcpStream};

/// Addresses that were free a moment ago.
fn free_hosts(count: usize) -> String {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port")).collect();
    let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
    listeners.iter().map(address).collect::<Vec<_>>().join(",")
}

fn write_secret(place: &Place, name: &str, letter: &str) {
    use std::os::unix::fs::OpenOptionsExt;
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create(true).mode(0o600).open(place.shell.path().join(name));
    file.expect("a file").write_all(letter.repeat(40).as_bytes()).expect("it is written");
}

/// Starts `waystream worker`.
fn worker(place: &Place, index: usize, hosts: &str, more: &[&str]) -> Running {
    let mut arguments = place.arguments("hosts", "400x", &["--peer-timeout", "1s"]);
    arguments[0] = "worker".to_owned();
    arguments.extend([format!("--process={index}"), format!("--hosts={hosts}")]);
    if !more.contains(&"--secret-file") {
        arguments.push("--secret-file=secret".to_owned());
    }
    arguments.extend(more.iter().map(|more| (*more).to_owned()));
    place.start_with(&arguments)
}

fn place() -> Place {
    let place = Place::new();
    write_secret(&place, "secret", "s");
    place
}

#[test]
fn who_does_not_belong_is_refused_and_strangers_cost_nothing() {
    let place = place();
    write_secret(&place, "other", "o");
    let hosts = free_hosts(3);
    let first = worker(&place, 0, &hosts, &[]);
    let second = worker(&place, 1, &hosts, &[]);
    let address = hosts.split(',').next().expect("a host");
    let mut stranger = None;
    wait("the port", || {
        stranger = TcpStream::connect(address).ok();
        stranger.is_some()
    });
    let _ = stranger.expect("a connection").write_all(b"GET / HTTP/1.1\r\n\r\n");
    let _silent = TcpStream::connect(address).expect("a connection");
    let swapped: Vec<&str> = hosts.split(',').collect();
    let swapped = [swapped[1], swapped[0], swapped[2]].join(",");
    for (index, hosts, more, code, named) in [
        (2, hosts.as_str(), &["--secret-file", "other"][..], 78, "has another secret"),
        (2, &hosts, &["--workers", "2"], 78, "workers: 2, this one with 1"),
        (2, &hosts, &["--set", "window=5min"], 78, "other"),
        (2, &swapped, &[], 78, "process 0 at "),
        (2, &hosts, &["--secret-file", "in/0.jsonl.none"], 78, "cannot read the secret"),
        (3, &hosts, &[], 64, "there is no process 3 among 3 hosts"),
        (0, &hosts, &[], 69, "cannot listen for other processes at 127.0.0.1:"),
    ] {
        let ran = worker(&place, index, hosts, more).end();
        assert_eq!(ran.code, Some(code), "{named}: {}", ran.err);
        assert!(ran.err.contains(named) && ran.err.contains("hint: "), "{named}: {}", ran.err);
    }
    let third = worker(&place, 2, &hosts, &[]);
    let ran = first.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert!(ran.out.contains(" records read, "), "{}", ran.out);
    for other in [second.end(), third.end()] {
        assert_eq!((other.code, other.out.as_str()), (Some(0), ""), "{}", other.err);
    }
    place.compare("hosts", &ran.err);
}

#[test]
fn a_zombie_that_was_replaced_changes_nothing_and_ends_with_an_error() {
    let place = place();
    let hosts = free_hosts(2);
    let start = || [worker(&place, 0, &hosts, &[]), worker(&place, 1, &hosts, &[])];
    let [mut leader, zombie] = start();
    place.wait_for_manifests("hosts", &mut leader, 3);
    signal(zombie.id(), "-STOP");
    let lost = leader.end();
    assert_eq!(lost.code, Some(69), "{}", lost.err);
    assert!(lost.err.contains("process 1 at 127.0.0.1:"), "{}", lost.err);
    assert!(lost.err.contains("is lost: no sign of life for 1 s"), "{}", lost.err);
    let [leader, other] = start();
    let ran = leader.end();
    assert_eq!(ran.code, Some(0), "{}", ran.err);
    assert_eq!(other.end().code, Some(0));
    assert!(is_alive(zombie.id()));
    signal(zombie.id(), "-CONT");
    let ended = zombie.end();
    assert_eq!(ended.code, Some(69), "{}", ended.err);
    assert!(ended.err.contains("process 0: process 1 at 127.0.0.1:"), "{}", ended.err);
    place.compare("hosts", &ran.err);
    let again = start().map(Running::end);
    assert!(again[0].out.contains("nothing to do"), "{}", again[0].out);
    assert_eq!(again.map(|ran| ran.code), [Some(0), Some(0)]);
}
