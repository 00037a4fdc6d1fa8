//! Settings of a job: named values that a deployment can set, with the units people write.

use std::time::Duration;
use waystream_engine::time::parse_duration;

/// A value that can be written in a setting. Implement it for a type of your own to give it a form.
///
/// ```
/// use waystream_operators::{Metres, Setting};
///
/// assert_eq!(Metres::parse("2.5km"), Ok(Metres(2500.0)));
/// assert_eq!(bool::parse("yes"), Err("write true or false".to_owned()));
/// ```
pub trait Setting: Sized {
    /// Reads the value.
    ///
    /// # Errors
    /// Says what is wrong and what is right.
    fn parse(text: &str) -> Result<Self, String>;
}

impl Setting for String {
    fn parse(text: &str) -> Result<Self, String> {
        Ok(text.to_owned())
    }
}

impl Setting for bool {
    fn parse(text: &str) -> Result<Self, String> {
        match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err("write true or false".to_owned()),
        }
    }
}

impl Setting for u8 {
    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "write a whole number from 0 to 255".to_owned())
    }
}

/// A length in metres: `100 m`, `2.5km`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metres(pub f64);

impl Setting for Metres {
    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = split_unit(text);
        let scale = match unit {
            "m" => 1.0,
            "km" => 1000.0,
            _ => return Err("write a length such as 100m or 2.5km".to_owned()),
        };
        match number.parse::<f64>() {
            Ok(metres) if metres.is_finite() && metres >= 0.0 => Ok(Self(metres * scale)),
            _ => Err("write a length such as 100m or 2.5km".to_owned()),
        }
    }
}

impl Setting for Duration {
    fn parse(text: &str) -> Result<Self, String> {
        parse_duration(text)
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len());
    (text[..end].trim_end(), &text[end..])
}

/// A duration, or `none`.
impl Setting for Option<Duration> {
    fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(None),
            text => Duration::parse(text).map(Some).map_err(|why| format!("{why}, or `none`")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{EventTime, Flow, TestJob, Timestamp, Unset, secs};
    use expect_test::expect;

    fn job(flow: &Flow) {
        let pause = flow.setting("pause", secs(60));
        flow.source("pings", Unset, EventTime::by(|at: &i64| Timestamp(*at)))
            .map(move |_| pause)
            .sink("out", Unset);
    }

    #[test]
    fn lengths_need_units_and_bytes_their_range() {
        assert_eq!(Metres::parse(" 100 m "), Ok(Metres(100.0)));
        assert_eq!(Metres::parse("0.5km"), Ok(Metres(500.0)));
        for bad in ["100", "-1m", "NaNm", "1e400m", "3 furlongs", ""] {
            assert!(Metres::parse(bad).is_err(), "{bad}");
        }
        assert_eq!((u8::parse("255"), u8::parse("256").is_err()), (Ok(255), true));
        assert_eq!((bool::parse("true"), bool::parse("1").is_err()), (Ok(true), true));
    }

    #[test]
    fn what_a_deployment_sets_wins_and_what_it_cannot_set_is_refused() {
        let job = TestJob::new(job).input("pings", [0i64]);
        assert_eq!(job.output::<Duration>("out"), [secs(60)]);
        assert_eq!(job.clone().set("pause", "2min").output::<Duration>("out"), [secs(120)]);
        let refused = |name, value| {
            let error = job.clone().set(name, value).run().unwrap_err();
            format!("{error} ({})", error.hint.as_deref().unwrap_or_default())
        };
        expect!["setting pause: `2`: a duration needs a unit: ms, s, min, h or d ()"]
            .assert_eq(&refused("pause", "2"));
        expect!["the job has no setting `paus` (did you mean `pause`?)"]
            .assert_eq(&refused("paus", "2s"));
    }

    #[test]
    fn durations_need_units_that_exist() {
        assert_eq!(Duration::parse("60s"), Ok(Duration::from_secs(60)));
        assert_eq!(Duration::parse("5 min"), Ok(Duration::from_secs(300)));
        for bad in ["60", "", "5 lightyears", "-1s", "1e3s", "99999999999999999999d"] {
            assert!(Duration::parse(bad).is_err(), "{bad}");
        }
        // Metres, or months: whoever wrote it is told the units.
        expect!["`m` is no unit of time: use ms, s, min, h or d"]
            .assert_eq(&Duration::parse("5m").unwrap_err());
    }
}
