//! Where a topic is: `kafka://HOST:PORT,HOST:PORT/TOPIC`.

use super::settings::Settings;
use crate::url::Url;
use waystream_engine::error::{JobError, Result};

/// The longest name that a topic may have.
const MAX_NAME: usize = 249;

/// The brokers to begin with, the topic, and how the client is set up.
#[derive(Clone, Debug)]
pub(super) struct Address {
    pub(super) brokers: String,
    pub(super) topic: String,
    pub(super) settings: Settings,
}

impl Address {
    pub(super) fn of(url: &Url) -> Result<Self> {
        let wrong = |what: String| {
            JobError::configuration(what)
                .hint("write kafka://HOST:PORT/TOPIC, with commas between brokers")
        };
        let (brokers, topic) = url
            .path
            .split_once('/')
            .ok_or_else(|| wrong(format!("`kafka://{}` names no topic", url.path)))?;
        for broker in brokers.split(',') {
            check_broker(broker).map_err(|why| wrong(format!("broker `{broker}`: {why}")))?;
        }
        check_topic(topic).map_err(|why| wrong(format!("topic `{topic}`: {why}")))?;
        let settings = Settings::of(url)?;
        Ok(Self { brokers: brokers.to_owned(), topic: topic.to_owned(), settings })
    }
}

fn check_broker(broker: &str) -> Result<(), String> {
    let Some((host, port)) = broker.rsplit_once(':') else {
        return Err("it has no port, as in localhost:9092".to_owned());
    };
    if host.is_empty() || host.contains("//") || host.contains(char::is_whitespace) {
        return Err("it has no host".to_owned());
    }
    match port.parse::<u16>() {
        Ok(1..) => Ok(()),
        _ => Err(format!("`{port}` is no port")),
    }
}

/// Whether a topic may have this name.
pub(super) fn check_topic(topic: &str) -> Result<(), String> {
    let legal = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if topic.is_empty() || topic == "." || topic == ".." {
        return Err("it is no name".to_owned());
    }
    if let Some(other) = topic.chars().find(|c| !legal(*c)) {
        return Err(format!("`{other}` is not allowed; letters, digits, `.`, `_` and `-` are"));
    }
    if topic.len() > MAX_NAME {
        return Err(format!("it is longer than {MAX_NAME} characters"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use std::fmt::Write as _;

    #[test]
    fn addresses() {
        let mut out = String::new();
        for text in [
            "kafka://localhost:9092/positions",
            "kafka://a:1,b.c:65535,[::1]:9092/p.q-r_s",
            "kafka://localhost:9092",
            "kafka://localhost/positions",
            "kafka://localhost:99999/positions",
            "kafka://localhost:0/positions",
            "kafka://http://localhost:9092/positions",
            "kafka://,a:1/positions",
            "kafka://a:1/",
            "kafka://a:1/..",
            "kafka://a:1/a/b",
            "kafka://a:1/grün",
        ] {
            match Url::parse(text).and_then(|url| Address::of(&url)) {
                Ok(address) => writeln!(out, "{} | {}", address.brokers, address.topic),
                Err(error) => writeln!(out, "{error}"),
            }
            .unwrap();
        }
        expect![[r#"
            localhost:9092 | positions
            a:1,b.c:65535,[::1]:9092 | p.q-r_s
            `kafka://localhost:9092` names no topic
            broker `localhost`: it has no port, as in localhost:9092
            broker `localhost:99999`: `99999` is no port
            broker `localhost:0`: `0` is no port
            broker `http:`: `` is no port
            broker ``: it has no port, as in localhost:9092
            topic ``: it is no name
            topic `..`: it is no name
            topic `a/b`: `/` is not allowed; letters, digits, `.`, `_` and `-` are
            topic `grün`: `ü` is not allowed; letters, digits, `.`, `_` and `-` are
        "#]]
        .assert_eq(&out);
        assert!(check_topic(&"a".repeat(250)).is_err());
    }
}
