//! What several processes show, all of it on the server of process 0.

use super::{ENTITIES, FILES, Place, all_children, comes, signal};
use crate::signals::line_with;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

/// Which entities the table of the live ones has.
fn live(address: &str) -> usize {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = "GET /views/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let mut answer = String::new();
    let _ = stream.write_all(request.as_bytes()).and_then(|()| stream.read_to_string(&mut answer));
    let names =
        (0..FILES).flat_map(|file| (0..ENTITIES).map(move |at| format!("\"e{file}-{at}\"")));
    names.filter(|name| answer.contains(name)).count()
}

fn address(err: &mut impl BufRead) -> String {
    line_with(err, "live map").trim().rsplit('/').next().expect("an address").to_owned()
}

#[test]
fn rows_of_all_processes_are_shown_and_shown_again_after_a_restart() {
    let place = Place::new();
    let arguments: Vec<String> = place
        .arguments("shown", "60x", &["--processes", "2", "--listen", "127.0.0.1:0"])
        .into_iter()
        .filter(|argument| argument != "--no-serve")
        .collect();
    let mut running = place.start_with(&arguments);
    let mut err = BufReader::new(running.child.stderr.take().expect("a pipe"));
    let at = address(&mut err);
    assert!(comes(|| live(&at) == FILES * ENTITIES), "{} rows", live(&at));
    let processes = all_children(&mut running, 2);
    place.wait_for_manifests("shown", &mut running, 20);
    signal(processes[1], "-KILL");
    let again = address(&mut err);
    assert!(comes(|| live(&again) == FILES * ENTITIES), "{} rows", live(&again));
    running.signal("-TERM");
    let mut rest = String::new();
    err.read_to_string(&mut rest).expect("UTF-8");
    assert_eq!(running.child.wait().expect("it ends").code(), Some(0), "{rest}");
}
