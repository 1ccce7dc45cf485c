//! The wire form of every message and enum value, kept in `tests/golden/`: a change of a number or
//! type is a failing test.
//!
//! Messages are found and filled by their descriptors, so a new one needs no code here, only its
//! lines in the golden files. After a change that is meant:
//! `PEERIT_BLESS=1 cargo test -p peerit-proto`.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod schema;

use std::collections::BTreeMap;
use std::path::PathBuf;

use peerit_proto::Message as _;
use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value,
};

/// Name and, as hexadecimal digits, wire form.
type Lines = BTreeMap<String, String>;

#[test]
fn the_wire_has_not_changed() {
    let bless = std::env::var_os("PEERIT_BLESS").is_some();
    let mut problems = Vec::new();
    for (package, lines) in packages(&schema::pool()) {
        let path = PathBuf::from(format!("tests/golden/{package}.txt"));
        if bless {
            let line = |(name, hex)| {
                format!("{name} = {hex}").trim_end().to_owned()
                    + "
"
            };
            let text: String = lines.iter().map(line).collect();
            std::fs::write(&path, text).unwrap();
        }
        problems.extend(differences(&golden(&path), &lines));
    }
    let hint = "if this is meant, run again with PEERIT_BLESS=1";
    assert!(problems.is_empty(), "{hint}:\n{}", problems.join("\n"));
}

#[test]
fn no_package_has_gone() {
    let packages = packages(&schema::pool());
    for entry in std::fs::read_dir("tests/golden").unwrap() {
        let path = entry.unwrap().path();
        let package = path.file_stem().unwrap().to_string_lossy();
        assert!(packages.contains_key(&*package), "{package} is no longer in the schema");
    }
}

/// Decodes a message by its compiled type and encodes it again.
type Recode = fn(&[u8]) -> Vec<u8>;

/// Every message of the schema; made by the build script.
const MESSAGE_TABLE: &[(&str, Recode)] = include!(concat!(env!("OUT_DIR"), "/message_table.rs"));

fn recoded<M: peerit_proto::Message + Default>(bytes: &[u8]) -> Vec<u8> {
    M::decode(bytes).unwrap().encode_to_vec()
}

#[test]
fn the_compiled_types_speak_the_schema() {
    let compiled: BTreeMap<_, _> = MESSAGE_TABLE.iter().copied().collect();
    for message in schema::pool().all_messages() {
        let recoded = compiled.get(message.full_name()).unwrap_or_else(|| {
            panic!("{} is not at the top of its file", message.full_name());
        });
        for (name, filled) in cases(&message) {
            let bytes = filled.encode_to_vec();
            assert_eq!(hex(&recoded(&bytes)), hex(&bytes), "{name}");
        }
    }
}

#[test]
fn a_changed_number_is_noticed() {
    let lines = |text: &str| -> Lines { parse(text).collect() };
    let golden = lines("a.A = 0801\na.B = 0802\na.C = \n");
    let now = lines("a.A = 1001\na.B = 0802\na.D = 00\n");
    let expected = ["a.A is 1001, was 0801", "a.C is gone", "a.D is new"];
    assert_eq!(differences(&golden, &now), expected);
    assert!(differences(&golden, &golden).is_empty());
}

fn golden(path: &std::path::Path) -> Lines {
    parse(&std::fs::read_to_string(path).unwrap_or_default()).collect()
}

fn parse(text: &str) -> impl Iterator<Item = (String, String)> + '_ {
    let pairs = text.lines().filter_map(|line| line.split_once(" ="));
    pairs.map(|(name, hex)| (name.to_owned(), hex.trim().to_owned()))
}

fn differences(golden: &Lines, now: &Lines) -> Vec<String> {
    let gone = golden.keys().filter(|name| !now.contains_key(*name));
    let changed = now.iter().filter_map(|(name, hex)| match golden.get(name) {
        None => Some(format!("{name} is new")),
        Some(was) if was != hex => Some(format!("{name} is {hex}, was {was}")),
        Some(_) => None,
    });
    let mut all: Vec<_> = changed.chain(gone.map(|name| format!("{name} is gone"))).collect();
    all.sort();
    all
}

/// The lines of every package.
fn packages(pool: &DescriptorPool) -> BTreeMap<String, Lines> {
    let mut packages: BTreeMap<String, Lines> = BTreeMap::new();
    for message in pool.all_messages() {
        let lines = packages.entry(message.package_name().to_owned()).or_default();
        let cases = cases(&message).into_iter();
        lines.extend(cases.map(|(name, filled)| (name, hex(&filled.encode_to_vec()))));
    }
    for list in pool.all_enums() {
        let lines = packages.entry(list.package_name().to_owned()).or_default();
        let value = |number: i32| hex(&number.to_be_bytes());
        lines.extend(
            list.values()
                .map(|v| (format!("{}.{}", list.full_name(), v.name()), value(v.number()))),
        );
    }
    packages
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A message with all its fields filled; one for each choice of a oneof.
fn cases(message: &MessageDescriptor) -> Vec<(String, DynamicMessage)> {
    let choices: Vec<_> =
        message.oneofs().flat_map(|oneof| oneof.fields().collect::<Vec<_>>()).collect();
    if choices.is_empty() {
        return vec![(message.full_name().to_owned(), filled(message, None, &[]))];
    }
    let name = |choice: &FieldDescriptor| format!("{}/{}", message.full_name(), choice.name());
    choices.iter().map(|choice| (name(choice), filled(message, Some(choice), &[]))).collect()
}

/// A message with a value of its own in every field but the other choices of oneofs. A message
/// inside itself is left out.
fn filled(
    message: &MessageDescriptor,
    choice: Option<&FieldDescriptor>,
    around: &[&MessageDescriptor],
) -> DynamicMessage {
    let around = [around, &[message]].concat();
    let mut filled = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let first = field.containing_oneof().and_then(|oneof| oneof.fields().next());
        let is_chosen = match (choice, &first) {
            (_, None) => true,
            (Some(choice), Some(_)) => *choice == field,
            (None, Some(first)) => *first == field,
        };
        let is_around = matches!(field.kind(), Kind::Message(inner) if around.contains(&&inner));
        if is_chosen && !is_around {
            filled.set_field(&field, value(&field, &around));
        }
    }
    filled
}

fn value(field: &FieldDescriptor, around: &[&MessageDescriptor]) -> Value {
    if field.is_list() {
        let second = field.number() + 100;
        return Value::List(vec![
            one_value(field, field.number(), around),
            one_value(field, second, around),
        ]);
    }
    one_value(field, field.number(), around)
}

/// A value that is not the default, different for every number, and encoded otherwise by every
/// type.
fn one_value(field: &FieldDescriptor, number: u32, around: &[&MessageDescriptor]) -> Value {
    let signed = number.cast_signed();
    match field.kind() {
        Kind::Double => Value::F64(f64::from(number) + 0.5),
        Kind::Float => Value::F32(0.5),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(-signed),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(i64::MIN + i64::from(number)),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(u32::MAX - number),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(u64::MAX - u64::from(number)),
        Kind::Bool => Value::Bool(true),
        Kind::String => Value::String(format!("{} {number}", field.name())),
        // In no UTF-8, so that it is told from a string.
        Kind::Bytes => Value::Bytes([&[0xff], &number.to_be_bytes()[..]].concat().into()),
        // The second value, which stays when others are added.
        Kind::Enum(list) => {
            Value::EnumNumber(list.values().nth(1).map(|value| value.number()).unwrap_or_default())
        }
        Kind::Message(inner) => Value::Message(filled(&inner, None, around)),
    }
}
