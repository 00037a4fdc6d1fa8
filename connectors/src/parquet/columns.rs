//! Which column of an archive each field of a record comes from, as configured.

use crate::source::field_names;
use jiff::tz::TimeZone;
use serde::de::DeserializeOwned;
use waystream_engine::did_you_mean;
use waystream_engine::error::{JobError, Result};

/// How the fields of a record are found in an archive.
#[derive(Clone, Debug)]
pub struct Columns {
    /// The field that holds event time.
    pub(crate) time_field: String,
    /// Fields whose column has another name, with its path.
    pub(crate) map: Vec<(String, String)>,
    /// The zone of timestamps that say none.
    pub(crate) zone: Option<TimeZone>,
}

impl Columns {
    /// From the field that holds event time and the keys `map` (`lat:location.lat,ts:time`) and
    /// `time-zone` of a URL.
    ///
    /// # Errors
    /// If a key is not written as it should be.
    pub fn new(time_field: &str, map: Option<&str>, zone: Option<&str>) -> Result<Self> {
        let mut pairs: Vec<(String, String)> = Vec::new();
        for part in map.unwrap_or_default().split(',').filter(|part| !part.is_empty()) {
            let pair = part.split_once(':').filter(|(a, b)| !a.is_empty() && !b.is_empty());
            let Some((field, path)) = pair else {
                let what = format!("`map` has `{part}`, which is not field:column");
                return Err(
                    JobError::configuration(what).hint("as in map=lat:location.lat,ts:time")
                );
            };
            if pairs.iter().any(|(other, _)| other == field) {
                return Err(JobError::configuration(format!("`map` names `{field}` twice")));
            }
            pairs.push((field.to_owned(), path.to_owned()));
        }
        let named = |name: &str| {
            TimeZone::get(name).map_err(|error| {
                JobError::configuration(format!("`time-zone={name}` is no known time zone"))
                    .hint("write an IANA name, such as UTC or Europe/Berlin")
                    .caused_by(error)
            })
        };
        let zone = zone.map(named).transpose()?;
        Ok(Self { time_field: time_field.to_owned(), map: pairs, zone })
    }

    /// Checks that what is mapped are fields of the record.
    pub(crate) fn check_fields<R: DeserializeOwned>(&self) -> Result<()> {
        let Some(fields) = field_names::<R>() else { return Ok(()) };
        for (field, _) in &self.map {
            if fields.contains(&field.as_str()) {
                continue;
            }
            let what = format!("`map` names `{field}`, which the record does not have");
            let hint = did_you_mean(field, fields.iter().copied());
            return Err(JobError::configuration(what).hint(hint));
        }
        Ok(())
    }

    /// The column path for a field.
    pub(crate) fn path_of<'a>(&'a self, field: &'a str) -> &'a str {
        self.mapped(field).unwrap_or(field)
    }

    /// The column path that a field is mapped to, if it is.
    pub(crate) fn mapped(&self, field: &str) -> Option<&str> {
        self.map.iter().find(|(other, _)| other == field).map(|(_, path)| path.as_str())
    }
}
