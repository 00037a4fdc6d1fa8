//! Where in one file the record's fields are, and that they can be what the record takes.

use super::columns::Columns;
use super::file::{check_codecs, refused};
use arrow_schema::DataType;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ArrowReaderMetadata;
use parquet::schema::types::SchemaDescriptor;
use std::path::Path;
use waystream_engine::error::{JobError, Result};
use waystream_engine::nearest;

/// The columns of one file that a record is made of.
#[derive(Clone, Debug)]
pub(crate) struct Layout {
    /// Each field with the path of its column.
    pub(crate) fields: Vec<(String, Vec<String>)>,
    /// All of them, for the reader.
    pub(crate) mask: ProjectionMask,
    /// The column of event time alone.
    pub(crate) time_mask: ProjectionMask,
}

impl Layout {
    /// Finds the columns of these fields, or of all if the record takes any.
    pub(crate) fn of(
        path: &Path,
        metadata: &ArrowReaderMetadata,
        columns: &Columns,
        record: Option<&[&str]>,
    ) -> Result<Self> {
        let file = FileColumns { path, metadata };
        let names: Vec<String> = match record {
            Some(fields) => fields.iter().map(|field| (*field).to_owned()).collect(),
            None => {
                file.roots().chain(columns.map.iter().map(|(field, _)| field.clone())).collect()
            }
        };
        let mut fields = Vec::new();
        let mut leaves = Vec::new();
        let mut time_leaves = Vec::new();
        for name in names {
            let wanted = columns.path_of(&name);
            let Some(parts) = file.find(wanted)? else {
                if columns.mapped(&name).is_some() || name == columns.time_field {
                    return Err(file.missing(&name, wanted));
                }
                continue;
            };
            let own = file.leaves(&parts);
            file.check_zone(&name, &own, columns)?;
            leaves.extend(&own);
            if name == columns.time_field {
                file.check_time(&name, &parts)?;
                time_leaves.clone_from(&own);
            }
            if !fields.iter().any(|(other, _)| *other == name) {
                fields.push((name, parts));
            }
        }
        if time_leaves.is_empty() {
            return Err(file.missing(&columns.time_field, columns.path_of(&columns.time_field)));
        }
        check_codecs(path, metadata.metadata(), &leaves)?;
        let schema = metadata.parquet_schema();
        let mask = ProjectionMask::leaves(schema, leaves);
        Ok(Self { fields, mask, time_mask: ProjectionMask::leaves(schema, time_leaves) })
    }
}

/// The columns a file has.
pub(crate) struct FileColumns<'a> {
    pub(crate) path: &'a Path,
    pub(crate) metadata: &'a ArrowReaderMetadata,
}

impl FileColumns<'_> {
    fn schema(&self) -> &SchemaDescriptor {
        self.metadata.parquet_schema()
    }

    fn roots(&self) -> impl Iterator<Item = String> {
        self.schema().root_schema().get_fields().iter().map(|field| field.name().to_owned())
    }

    /// The parts of a column's path: a column of just this name, or nested at the dots.
    fn find(&self, wanted: &str) -> Result<Option<Vec<String>>> {
        let whole = vec![wanted.to_owned()];
        let nested: Vec<String> = wanted.split('.').map(str::to_owned).collect();
        for parts in [whole, nested] {
            if self.type_of(&parts).is_none() {
                continue;
            }
            if self.roots().filter(|name| *name == parts[0]).count() > 1 {
                let wrong = format!("it has several columns named `{}`", parts[0]);
                return Err(refused(self.path, &wrong));
            }
            return Ok(Some(parts));
        }
        Ok(None)
    }

    /// The type at a path, if there is a column.
    pub(crate) fn type_of(&self, parts: &[String]) -> Option<DataType> {
        let (first, rest) = parts.split_first()?;
        let mut field = self.metadata.schema().fields().iter().find(|f| f.name() == first)?;
        for part in rest {
            let DataType::Struct(children) = field.data_type() else { return None };
            field = children.iter().find(|child| child.name() == part)?;
        }
        Some(field.data_type().clone())
    }

    fn leaves(&self, parts: &[String]) -> Vec<usize> {
        let starts = |leaf: &usize| self.schema().column(*leaf).path().parts().starts_with(parts);
        (0..self.schema().num_columns()).filter(starts).collect()
    }

    /// Refuses a column that is not there, naming one that was perhaps meant.
    pub(crate) fn missing(&self, field: &str, wanted: &str) -> JobError {
        let roots: Vec<String> = self.roots().collect();
        let names = || roots.iter().map(String::as_str);
        let error = JobError::configuration(format!(
            "{} has no column `{wanted}`, which the record's field `{field}` needs",
            self.path.display()
        ));
        let shown: Vec<&str> = names().take(20).collect();
        match nearest(wanted, names()) {
            Some(meant) => error
                .hint(format!("if column `{meant}` is meant, add map={field}:{meant} to the URL")),
            None => error.hint(format!(
                "name the column, as in map={field}:NAME; the file has {}",
                shown.join(", ")
            )),
        }
    }

    fn check_time(&self, field: &str, parts: &[String]) -> Result<()> {
        let Some(found) = self.type_of(parts) else { return Ok(()) };
        let fits = match &found {
            DataType::Timestamp(..) | DataType::Date32 | DataType::Date64 | DataType::Utf8 => true,
            other => other.is_integer() || other.is_null(),
        };
        if fits {
            return Ok(());
        }
        let column = parts.join(".");
        let wrong = format!(
            "column `{column}` is {found}, but event time (field `{field}`) must be a timestamp, a \
             date, integer milliseconds or RFC 3339 text"
        );
        Err(refused(self.path, &wrong)
            .hint(format!("name another column, as in map={field}:NAME, or narrow the glob")))
    }

    /// Refuses timestamps that belong to no zone, unless the URL says which.
    fn check_zone(&self, field: &str, leaves: &[usize], columns: &Columns) -> Result<()> {
        for leaf in leaves {
            let column = self.schema().column(*leaf);
            let parts: Vec<String> = column.path().parts().to_vec();
            let local = matches!(self.type_of(&parts), Some(DataType::Timestamp(_, None)));
            if !local || columns.zone.is_some() {
                continue;
            }
            let what = format!(
                "{}: column `{}` (field `{field}`) has local times without a time zone",
                self.path.display(),
                column.path().string()
            );
            return Err(JobError::configuration(what)
                .hint("say which zone they are in: add time-zone=UTC to the URL"));
        }
        Ok(())
    }
}
