//! The schemas that a reader has met: each is asked for once, whether the registry has it or not.

use super::client::{Kind, Registry, Schema};
use super::wire;
use crate::format::coding::Undecoded;
use std::collections::HashMap;
use std::path::Path;
use waystream_engine::error::{JobError, Result};

/// Schemas that a reader keeps.
const MAX_SCHEMAS: usize = 1024;

/// Schemas of one language, made into what reads values.
pub(super) struct Schemas<P> {
    registry: Registry,
    kind: Kind,
    parse: fn(&Schema) -> Option<P>,
    /// `None` where the registry has none of that language.
    met: HashMap<u32, Option<P>>,
}

impl<P> Schemas<P> {
    pub(super) fn new(registry: Registry, kind: Kind, parse: fn(&Schema) -> Option<P>) -> Self {
        Self { registry, kind, parse, met: HashMap::new() }
    }

    /// The schema of this number.
    pub(super) fn get(&mut self, id: u32) -> Result<&P, Undecoded> {
        if !self.met.contains_key(&id) {
            if self.met.len() == MAX_SCHEMAS {
                let why = format!("schema {id}: {MAX_SCHEMAS} are known already");
                return Err(wire::malformed(why).into());
            }
            let found = self.registry.schema(id).map_err(Undecoded::Failed)?;
            let found = found.filter(|found| found.kind == self.kind);
            self.met.insert(id, found.as_ref().and_then(self.parse));
        }
        self.met.get(&id).and_then(Option::as_ref).ok_or_else(|| {
            let kind = self.kind;
            wire::malformed(format!("schema {id} is no {kind:?} schema of the registry")).into()
        })
    }
}

/// The text of a schema's file.
pub(super) fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        JobError::configuration(format!("cannot read the schema {}", path.display()))
            .hint("name the file of a schema with schema=FILE")
            .caused_by(error)
    })
}
