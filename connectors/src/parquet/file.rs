//! Opening one Parquet file, with an error that says what is wrong with it.

use crate::source::{cannot_read, fnv};
use arrow_schema::{DataType, Field, FieldRef, Schema, TimeUnit};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::basic::{Compression, ConvertedType, Type as PhysicalType};
use parquet::errors::ParquetError;
use parquet::file::metadata::{FileMetaData, PageIndexPolicy, ParquetMetaData};
use parquet::schema::types::{SchemaDescriptor, Type, TypePtr};
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;
use waystream_engine::error::{ErrorKind, JobError, Result};

/// The least a Parquet file can have: two marks and a footer length.
const LEAST_BYTES: u64 = 12;

/// Opens a file and reads its footer.
pub(crate) fn open(path: &Path) -> Result<(File, ArrowReaderMetadata)> {
    let mut file = File::open(path).map_err(|error| cannot_read(path, error))?;
    if let Some(wrong) = not_parquet(&mut file).map_err(|error| cannot_read(path, error))? {
        return Err(refused(path, &wrong));
    }
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Skip);
    let load = |options| guarded(|| ArrowReaderMetadata::load(&file, options));
    let metadata =
        load(options.clone()).or_else(|_| load(options.with_skip_arrow_metadata(true))).map_err(
            |error| refused(path, "its footer is damaged or from a newer writer").caused_by(error),
        )?;
    let metadata = guarded(|| with_plain_types(&metadata))
        .map_err(|error| refused(path, "its schema cannot be read").caused_by(error))?;
    Ok((file, metadata))
}

/// A hash of an opened file's footer: of where its columns are, how long, and what they say of their
/// values.
pub(crate) fn footer_hash(mut file: &File, length: u64) -> io::Result<u64> {
    let mut last = [0; 4];
    file.seek(SeekFrom::Start(length.saturating_sub(8)))?;
    file.read_exact(&mut last)?;
    let start = length.saturating_sub(8 + u64::from(u32::from_le_bytes(last)));
    file.seek(SeekFrom::Start(start))?;
    let mut footer = Vec::new();
    file.take(length - start).read_to_end(&mut footer)?;
    Ok(fnv(footer))
}

/// Runs the Parquet reader. On damaged bytes it may panic where it should return an error; a file
/// must not bring the process down, so a panic is taken as one.
pub(crate) fn guarded<T, E: From<ParquetError>>(
    read: impl FnOnce() -> std::result::Result<T, E>,
) -> std::result::Result<T, E> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no reason");
        Err(ParquetError::General(format!("the Parquet reader gave up: {text}")).into())
    })
}

/// What the first and last bytes say against the file.
fn not_parquet(file: &mut File) -> io::Result<Option<String>> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(Some("it is empty (0 bytes)".to_owned()));
    }
    let mut first = [0; 4];
    let mut last = [0; 8];
    if length >= 4 {
        file.read_exact(&mut first)?;
    }
    if first != *b"PAR1" && first != *b"PARE" {
        return Ok(Some("it is not a Parquet file: it does not begin with `PAR1`".to_owned()));
    }
    if length < LEAST_BYTES {
        return Ok(Some(format!("it ends after {length} bytes; its writer was cut off")));
    }
    file.seek(SeekFrom::End(-8))?;
    file.read_exact(&mut last)?;
    if first == *b"PARE" || last.ends_with(b"PARE") {
        return Ok(Some("its footer is encrypted, which is not supported".to_owned()));
    }
    if !last.ends_with(b"PAR1") {
        let what = "it has no footer: its writer was cut off, or the file is truncated";
        return Ok(Some(what.to_owned()));
    }
    let footer = u64::from(u32::from_le_bytes([last[0], last[1], last[2], last[3]]));
    if footer + LEAST_BYTES > length {
        return Ok(Some(format!(
            "its footer claims {footer} bytes, but the file has only {length}"
        )));
    }
    Ok(None)
}

/// A schema that has dictionaries and views read as plain texts, and INT96 as microseconds, which
/// reach beyond the year 2262.
fn with_plain_types(
    metadata: &ArrowReaderMetadata,
) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    let descriptor = metadata.parquet_schema();
    let plain = |field: &FieldRef| -> Field {
        let data_type = match field.data_type() {
            DataType::Dictionary(_, value) => plain_type(value),
            DataType::Timestamp(_, _) if is_int96(descriptor, field.name()) => {
                DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
            }
            other => plain_type(other),
        };
        field.as_ref().clone().with_data_type(data_type)
    };
    let fields: Vec<Field> = metadata.schema().fields().iter().map(plain).collect();
    let schema = Arc::new(Schema::new(fields));
    let options = ArrowReaderOptions::new().with_schema(schema);
    ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
}

/// The footer by which rows are read: texts come as bytes, so that one that is not UTF-8 is the
/// matter of its row and not of the whole row group.
pub(crate) fn with_texts_as_bytes(
    metadata: &ArrowReaderMetadata,
) -> std::result::Result<ArrowReaderMetadata, ParquetError> {
    let old = metadata.metadata().file_metadata();
    let root = old.schema_descr().root_schema();
    let fields: std::result::Result<Vec<TypePtr>, _> =
        root.get_fields().iter().map(bytes_for_text).collect();
    let root = Type::group_type_builder(root.name()).with_fields(fields?).build()?;
    let file = FileMetaData::new(
        old.version(),
        old.num_rows(),
        old.created_by().map(str::to_owned),
        None,
        Arc::new(SchemaDescriptor::new(Arc::new(root))),
        old.column_orders().cloned(),
    );
    let groups = metadata.metadata().row_groups().to_vec();
    let as_bytes = |field: &FieldRef| match field.data_type() {
        DataType::Utf8 => field.as_ref().clone().with_data_type(DataType::Binary),
        _ => field.as_ref().clone(),
    };
    let fields: Vec<Field> = metadata.schema().fields().iter().map(as_bytes).collect();
    let options = ArrowReaderOptions::new().with_schema(Arc::new(Schema::new(fields)));
    ArrowReaderMetadata::try_new(Arc::new(ParquetMetaData::new(file, groups)), options)
}

fn bytes_for_text(field: &TypePtr) -> std::result::Result<TypePtr, ParquetError> {
    let info = field.get_basic_info();
    let is_text = field.is_primitive()
        && field.get_physical_type() == PhysicalType::BYTE_ARRAY
        && matches!(info.converted_type(), ConvertedType::UTF8 | ConvertedType::JSON);
    if !is_text {
        return Ok(field.clone());
    }
    let id = info.has_id().then(|| info.id());
    let bytes = Type::primitive_type_builder(field.name(), PhysicalType::BYTE_ARRAY)
        .with_repetition(info.repetition())
        .with_id(id);
    Ok(Arc::new(bytes.build()?))
}

fn plain_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::LargeUtf8 | DataType::Utf8View => DataType::Utf8,
        DataType::LargeBinary | DataType::BinaryView => DataType::Binary,
        other => other.clone(),
    }
}

fn is_int96(schema: &SchemaDescriptor, name: &str) -> bool {
    let of_name = |column: &&Arc<_>| {
        let column: &parquet::schema::types::ColumnDescriptor = column;
        column.path().parts().len() == 1 && column.name() == name
    };
    schema
        .columns()
        .iter()
        .find(of_name)
        .is_some_and(|column| column.physical_type() == PhysicalType::INT96)
}

/// Refuses a codec that cannot be read, before any row is.
pub(crate) fn check_codecs(
    path: &Path,
    metadata: &ParquetMetaData,
    leaves: &[usize],
) -> Result<()> {
    for group in metadata.row_groups() {
        for leaf in leaves {
            let column = group.column(*leaf);
            if column.compression() == Compression::LZO {
                let name = column.column_path().string();
                let wrong =
                    format!("column `{name}` is compressed with LZO, which is not supported");
                return Err(refused(path, &wrong));
            }
        }
    }
    Ok(())
}

/// A file that cannot be taken as it is.
pub(crate) fn refused(path: &Path, wrong: &str) -> JobError {
    JobError::configuration(format!("cannot take {}: {wrong}", path.display()))
        .hint("repair or remove the file, or narrow the glob")
}

/// A file that broke while being read.
pub(crate) fn damaged(
    path: &Path,
    group: u32,
    error: impl std::error::Error + Send + Sync + 'static,
) -> JobError {
    let what = format!("{} is damaged in row group {group}", path.display());
    JobError::new(ErrorKind::Data, what).hint("restore the file, then run again").caused_by(error)
}
