//! Values through a registry and back, and what is made of values that do not fit it.

use super::stand_in::StandIn;
use super::wire;
use super::{AvroDecoder, AvroEncoder, ProtobufDecoder, ProtobufEncoder, Registry, Subject};
use crate::format::coding::{Decode, Encode, Prefix, Undecoded};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::Write;
use waystream_engine::error::ErrorKind;
use waystream_engine::source::Reason;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Fix {
    id: String,
    ts: i64,
    lat: f64,
    speed: Option<f32>,
}

fn fix() -> Fix {
    Fix { id: "ship-1".to_owned(), ts: 1_700_000_000_000, lat: 40.5, speed: Some(1.5) }
}

const AVRO: &str = r#"{"type":"record","name":"Fix","fields":[
    {"name":"id","type":"string"},
    {"name":"ts","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"lat","type":"double"},
    {"name":"speed","type":["null","float"],"default":null}]}"#;

const PROTOBUF: &str = r#"syntax = "proto3";
    message Other { string x = 1; }
    message Fix { string id = 1; int64 ts = 2; double lat = 3; optional float speed = 4; }"#;

fn registry(stand_in: &StandIn) -> Registry {
    Registry::at(&stand_in.url, None).unwrap()
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn subject() -> Subject {
    Subject("fixes-value".to_owned())
}

fn value<E: Encode<Fix> + Prefix>(encoder: &mut E, fix: &Fix) -> Vec<u8> {
    let mut bytes = encoder.prefix().unwrap();
    encoder.encode(fix, &mut bytes).unwrap();
    bytes
}

fn rejected(decoded: Result<Fix, Undecoded>) -> (Reason, String) {
    match decoded {
        Err(Undecoded::Rejected(rejection)) => (rejection.reason, rejection.error),
        other => panic!("{other:?}"),
    }
}

#[test]
fn avro_comes_back_and_a_schema_is_asked_for_once() {
    let stand_in = StandIn::start();
    let schema = file(AVRO);
    let mut encoder = AvroEncoder::of(schema.path(), registry(&stand_in), subject()).unwrap();
    let mut decoder = AvroDecoder::new(registry(&stand_in));
    for fix in [fix(), Fix { speed: None, ..fix() }] {
        let bytes = value(&mut encoder, &fix);
        let back: Fix = decoder.decode(&bytes).map_err(|e| format!("{e:?}")).unwrap();
        assert_eq!(back, fix);
    }
    let asked = stand_in.requests();
    assert_eq!(asked.iter().filter(|asked| asked.starts_with("GET")).count(), 1, "{asked:?}");
}

#[test]
fn an_avro_schema_may_refer_to_others() {
    let stand_in = StandIn::start();
    let inner = r#"{"type":"record","name":"Place","fields":[{"name":"lat","type":"double"}]}"#;
    stand_in.add("place", json!({"schema": inner}));
    let outer = r#"{"type":"record","name":"At","fields":[{"name":"place","type":"Place"}]}"#;
    let references = json!([{"name": "Place", "subject": "place", "version": 1}]);
    let id = stand_in.add("at", json!({"schema": outer, "references": references}));
    let mut bytes = wire::header(id);
    bytes.extend_from_slice(&1.5_f64.to_le_bytes());
    let at: Result<serde_json::Value, _> = AvroDecoder::new(registry(&stand_in)).decode(&bytes);
    assert_eq!(at.map_err(|e| format!("{e:?}")).unwrap(), json!({"place": {"lat": 1.5}}));
}

#[test]
fn protobuf_comes_back_with_the_message_it_was_written_as() {
    let stand_in = StandIn::start();
    let schema = file(PROTOBUF);
    let mut encoder =
        ProtobufEncoder::of(schema.path(), Some("Fix"), registry(&stand_in), subject()).unwrap();
    let mut decoder = ProtobufDecoder::new(registry(&stand_in));
    for fix in [fix(), Fix { speed: None, ts: 0, ..fix() }] {
        let bytes = value(&mut encoder, &fix);
        assert_eq!(bytes[5..7], [2, 2], "one index, which is 1");
        let back: Fix = decoder.decode(&bytes).map_err(|e| format!("{e:?}")).unwrap();
        assert_eq!(back, fix);
    }
}

#[test]
fn a_protobuf_schema_may_import_others() {
    let stand_in = StandIn::start();
    let inner = r#"syntax = "proto3"; package geo; message Place { double lat = 1; }"#;
    stand_in.add("geo", json!({"schema": inner, "schemaType": "PROTOBUF"}));
    let outer = r#"syntax = "proto3"; import "geo/place.proto"; import "google/protobuf/empty.proto";
        message At { geo.Place place = 1; google.protobuf.Empty none = 2; }"#;
    let references = json!([{"name": "geo/place.proto", "subject": "geo", "version": 1}]);
    let schema = json!({"schema": outer, "schemaType": "PROTOBUF", "references": references});
    let mut bytes = wire::header(stand_in.add("at", schema));
    bytes.extend_from_slice(&[0, 0x0a, 9, 0x09]);
    bytes.extend_from_slice(&1.5_f64.to_le_bytes());
    let at: Result<serde_json::Value, _> = ProtobufDecoder::new(registry(&stand_in)).decode(&bytes);
    let at = at.map_err(|e| format!("{e:?}")).unwrap();
    assert_eq!(at["place"], json!({"lat": 1.5}));
}

#[test]
fn values_that_do_not_fit_are_rejected_and_the_rest_goes_on() {
    let stand_in = StandIn::start();
    let avro = stand_in.add("a", json!({"schema": AVRO}));
    let protobuf = stand_in.add("p", json!({"schema": PROTOBUF, "schemaType": "PROTOBUF"}));
    let mut decoder = AvroDecoder::new(registry(&stand_in));
    let with = |id: u32, rest: &[u8]| [wire::header(id), rest.to_vec()].concat();
    for (bytes, why) in [
        (b"{\"id\":1}".to_vec(), "begin with the number of a schema"),
        (with(7, b""), "schema 7 is no Avro schema"),
        (with(protobuf, b""), "is no Avro schema"),
        (with(avro, b"\x02a"), "schema"),
        (with(avro, &[0xff; 12]), "schema"),
    ] {
        let (reason, error) = rejected(decoder.decode(&bytes));
        assert_eq!(reason, Reason::Malformed);
        assert!(error.contains(why), "{error}");
    }
    let mut decoder = ProtobufDecoder::new(registry(&stand_in));
    for (bytes, why) in [
        (with(avro, &[0]), "is no Protobuf schema"),
        (with(protobuf, &[4, 0, 0]), "has no message"),
        (with(protobuf, &[2, 2, 0xff]), "schema"),
        (with(protobuf, &[]), "which message"),
    ] {
        let (reason, error) = rejected(decoder.decode(&bytes));
        assert_eq!(reason, Reason::Malformed);
        assert!(error.contains(why), "{error}");
    }
    let (reason, _) = rejected(decoder.decode(&with(protobuf, &[0, 0x0a, 1, b'x'])));
    assert_eq!(reason, Reason::Missing);
}

#[test]
fn a_registry_that_is_down_for_a_moment_is_asked_again() {
    let stand_in = StandIn::start();
    let id = stand_in.add("a", json!({"schema": "\"double\""}));
    let bytes = [wire::header(id), 1.5_f64.to_le_bytes().to_vec()].concat();
    stand_in.fail(2);
    let mut decoder = AvroDecoder::new(registry(&stand_in));
    let found: f64 = decoder.decode(&bytes).map_err(|e| format!("{e:?}")).unwrap();
    assert_eq!(found, 1.5);
    stand_in.fail(100);
    let other = [wire::header(id + 1), 1.5_f64.to_le_bytes().to_vec()].concat();
    let failed: Result<f64, _> = decoder.decode(&other);
    let Err(Undecoded::Failed(error)) = failed else { panic!("{failed:?}") };
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.what.contains("it answers 503"), "{error}");
}

#[test]
fn a_schema_that_is_refused_or_does_not_fit_the_row_is_a_matter_of_configuration() {
    let stand_in = StandIn::start();
    let schema = file(&AVRO.replace("Fix", "forbidden"));
    let encoder = AvroEncoder::of(schema.path(), registry(&stand_in), subject()).unwrap();
    let error = encoder.prefix().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Configuration);
    assert!(error.what.contains("refuses with 409"), "{error}");
    let schema = file(r#"{"type":"record","name":"Fix","fields":[{"name":"n","type":"long"}]}"#);
    let mut encoder = AvroEncoder::of(schema.path(), registry(&stand_in), subject()).unwrap();
    assert!(encoder.encode(&fix(), &mut Vec::new()).is_err());
    let broken = file("{");
    assert!(AvroEncoder::of(broken.path(), registry(&stand_in), subject()).is_err());
    let of = |text: &str, name| {
        ProtobufEncoder::of(file(text).path(), name, registry(&stand_in), subject())
    };
    assert!(of("message {", None).is_err());
    assert!(of(PROTOBUF, Some("Fox")).is_err());
    let mut encoder = of(PROTOBUF, None).unwrap();
    assert!(encoder.encode(&fix(), &mut Vec::new()).is_err());
}
