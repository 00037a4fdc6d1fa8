//! A small schema registry for tests: it keeps schemas in memory and speaks as Confluent's does.

use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// The registry; ends with the test's process.
#[derive(Clone)]
pub(super) struct StandIn {
    pub(super) url: String,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// What is told for a schema's number.
    schemas: BTreeMap<u32, Value>,
    /// Versions of subjects, by number.
    subjects: BTreeMap<String, Vec<u32>>,
    requests: Vec<String>,
    /// Requests to be answered with 503.
    failing: u32,
}

impl StandIn {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let registry = Self { url, kept: Arc::default() };
        let serving = registry.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                serving.serve(stream.unwrap());
            }
        });
        registry
    }

    /// Keeps a schema; returns its number.
    pub(super) fn add(&self, subject: &str, schema: Value) -> u32 {
        let mut kept = self.kept.lock().unwrap();
        let same = kept.schemas.iter().find(|(_, known)| **known == schema).map(|(id, _)| *id);
        let id = same.unwrap_or(kept.schemas.len() as u32 + 100_001);
        kept.schemas.insert(id, schema);
        kept.subjects.entry(subject.to_owned()).or_default().push(id);
        id
    }

    /// Answers the next requests with 503.
    pub(super) fn fail(&self, requests: u32) {
        self.kept.lock().unwrap().failing = requests;
    }

    pub(super) fn requests(&self) -> Vec<String> {
        self.kept.lock().unwrap().requests.clone()
    }

    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        let (mut request, mut length) = (String::new(), 0);
        reader.read_line(&mut request).unwrap();
        let mut line = String::new();
        while reader.read_line(&mut line).unwrap() > 2 {
            if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            line.clear();
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap(), words.next().unwrap_or_default().to_owned());
        let (status, answer) = self.answer(method, &path, &body);
        let text = answer.to_string();
        let length = text.len();
        let head =
            format!("HTTP/1.1 {status} X\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
        stream.write_all(format!("{head}{text}").as_bytes()).unwrap();
    }

    fn answer(&self, method: &str, path: &str, body: &[u8]) -> (u16, Value) {
        {
            let mut kept = self.kept.lock().unwrap();
            kept.requests.push(format!("{method} {path}"));
            if kept.failing > 0 {
                kept.failing -= 1;
                return (503, json!({}));
            }
        }
        let steps: Vec<&str> = path.split('/').skip(1).collect();
        match (method, steps.as_slice()) {
            ("GET", ["schemas", "ids", id]) => self.told(id.parse().ok()),
            ("GET", ["subjects", subject, "versions", version]) => {
                let version: usize = version.parse().unwrap();
                let id =
                    self.kept.lock().unwrap().subjects.get(*subject).map(|ids| ids[version - 1]);
                self.told(id)
            }
            ("POST", ["subjects", subject, "versions"]) => {
                let schema: Value = serde_json::from_slice(body).unwrap();
                if schema["schema"].as_str().unwrap().contains("forbidden") {
                    return (409, json!({"error_code": 409, "message": "incompatible"}));
                }
                (200, json!({"id": self.add(subject, schema)}))
            }
            _ => (404, json!({"error_code": 40403})),
        }
    }

    fn told(&self, id: Option<u32>) -> (u16, Value) {
        let kept = self.kept.lock().unwrap();
        match id.and_then(|id| kept.schemas.get(&id)) {
            Some(schema) => (200, schema.clone()),
            None => (404, json!({"error_code": 40403, "message": "Schema not found"})),
        }
    }
}
