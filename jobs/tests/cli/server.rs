//! The server of a running job under attack.

use crate::process::Shell;
use crate::signals::{line_with, signal};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};

fn page(address: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("a connection");
    let request = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).expect("it is taken");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

#[test]
fn half_open_connections_cost_the_job_nothing() {
    let shell = Shell::new();
    let mut job = shell.command(&[]);
    let binary = job.get_program().to_owned();
    // The shell's own limit goes on to the job.
    let few = "ulimit -n 128; exec \"$0\" run fleet --listen 127.0.0.1:0";
    let mut command = Command::new("sh");
    command.args(["-c", few]).arg(binary).current_dir(job.get_current_dir().expect("a folder"));
    command.envs(job.get_envs().filter_map(|(name, value)| Some((name, value?))));
    job = command;
    let mut child = job.stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("it starts");
    let mut err = BufReader::new(child.stderr.take().expect("a pipe"));
    let line = line_with(&mut err, "live map");
    let address = line.trim().rsplit('/').next().expect("an address").to_owned();
    let open = |_| {
        let mut stream = TcpStream::connect(&address).expect("a connection");
        stream.write_all(b"GET / HTTP/1.1\r\nHost: local").expect("it is taken");
        stream
    };
    let silent: Vec<_> = (0..300).map(open).collect();
    for _ in 0..5 {
        assert!(page(&address).starts_with("HTTP/1.1 200"));
    }
    // Epochs are closed until progress is told: each writes files.
    line_with(&mut err, "\"read\"");
    signal(&child, "-TERM");
    let mut rest = String::new();
    for line in err.lines() {
        rest.push_str(&line.expect("UTF-8"));
    }
    assert_eq!(child.wait().expect("it ends").code(), Some(0), "{rest}");
    drop(silent);
}
