//! The schema keeps the STANDARD and COMMENTS rules of Buf's linter, where they apply to it.
//!
//! Each rule is named as Buf names it. There are no services, so their rules are replaced by one
//! that says so.

#![allow(clippy::unwrap_used, reason = "helpers of tests may panic")]

mod schema;

use std::path::Path;

use protox::prost_reflect::prost_types::FileDescriptorProto;
use protox::prost_reflect::{
    DescriptorPool, EnumDescriptor, FileDescriptor, Kind, MessageDescriptor,
};

#[test]
fn the_schema_keeps_the_rules() {
    let problems = problems(&schema::pool());
    assert!(problems.is_empty(), "\n{}", problems.join("\n"));
}

/// What is wrong with a schema, one line each.
fn problems(pool: &DescriptorPool) -> Vec<String> {
    let mut report = Report(Vec::new());
    pool.files().for_each(|file| check_file(&file, &mut report));
    pool.all_messages().for_each(|message| check_message(&message, &mut report));
    pool.all_enums().for_each(|list| check_enum(&list, &mut report));
    for service in pool.services() {
        report.require(false, "no services", service.full_name());
    }
    report.0
}

struct Report(Vec<String>);

impl Report {
    fn require(&mut self, is_kept: bool, rule: &str, what: &str) {
        if !is_kept {
            self.0.push(format!("{what}: {rule}"));
        }
    }

    fn require_comment(&mut self, file: &FileDescriptor, path: &[i32], rule: &str, what: &str) {
        self.require(has_comment(file.file_descriptor_proto(), path), rule, what);
    }
}

fn check_file(file: &FileDescriptor, report: &mut Report) {
    let (path, package) = (Path::new(file.name()), file.package_name());
    let folder = path.parent().unwrap().to_string_lossy().replace('/', ".");
    let stem = path.file_stem().unwrap().to_string_lossy();
    let version = package.rsplit('.').next().and_then(|last| last.strip_prefix('v'));
    let is_version =
        version.is_some_and(|number| number.parse::<u32>().is_ok_and(|number| number > 0));
    let raw = file.file_descriptor_proto();

    report.require(raw.syntax() == "proto3", "SYNTAX_SPECIFIED", file.name());
    report.require(!package.is_empty(), "PACKAGE_DEFINED", file.name());
    report.require(folder == package, "PACKAGE_DIRECTORY_MATCH", file.name());
    report.require(package.split('.').all(is_lower_snake), "PACKAGE_LOWER_SNAKE_CASE", file.name());
    report.require(is_version, "PACKAGE_VERSION_SUFFIX", file.name());
    report.require(is_lower_snake(&stem), "FILE_LOWER_SNAKE_CASE", file.name());
    report.require(raw.public_dependency.is_empty(), "IMPORT_NO_PUBLIC", file.name());
    report.require(raw.weak_dependency.is_empty(), "IMPORT_NO_WEAK", file.name());
    for import in file.dependencies() {
        let is_used = file.messages().any(|message| uses(&message, &import));
        report.require(
            is_used,
            "IMPORT_USED",
            &format!("{} imports {}", file.name(), import.name()),
        );
    }
}

fn uses(message: &MessageDescriptor, import: &FileDescriptor) -> bool {
    message.child_messages().any(|inner| uses(&inner, import))
        || message.fields().any(|field| match field.kind() {
            Kind::Message(kind) => kind.parent_file() == *import,
            Kind::Enum(kind) => kind.parent_file() == *import,
            _ => false,
        })
}

fn check_message(message: &MessageDescriptor, report: &mut Report) {
    let file = message.parent_file();
    let name = message.full_name();
    report.require(is_pascal(message.name()), "MESSAGE_PASCAL_CASE", name);
    report.require_comment(&file, message.path(), "COMMENT_MESSAGE", name);
    for field in message.fields() {
        report.require(is_lower_snake(field.name()), "FIELD_LOWER_SNAKE_CASE", field.full_name());
        report.require_comment(&file, field.path(), "COMMENT_FIELD", field.full_name());
    }
    for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
        report.require(is_lower_snake(oneof.name()), "ONEOF_LOWER_SNAKE_CASE", oneof.full_name());
        report.require_comment(&file, oneof.path(), "COMMENT_ONEOF", oneof.full_name());
    }
}

fn check_enum(list: &EnumDescriptor, report: &mut Report) {
    let file = list.parent_file();
    let name = list.full_name();
    let prefix = upper_snake(list.name()) + "_";
    let allows_alias =
        list.enum_descriptor_proto().options.as_ref().is_some_and(|it| it.allow_alias());
    report.require(is_pascal(list.name()), "ENUM_PASCAL_CASE", name);
    report.require(!allows_alias, "ENUM_NO_ALLOW_ALIAS", name);
    report.require_comment(&file, list.path(), "COMMENT_ENUM", name);
    let first = list.enum_descriptor_proto().value.first();
    report.require(first.is_some_and(|value| value.number() == 0), "ENUM_FIRST_VALUE_ZERO", name);
    for value in list.values() {
        let name = value.full_name();
        report.require(is_upper_snake(value.name()), "ENUM_VALUE_UPPER_SNAKE_CASE", name);
        report.require(value.name().starts_with(&prefix), "ENUM_VALUE_PREFIX", name);
        let is_zero = value.name() == format!("{prefix}UNSPECIFIED");
        report.require(is_zero == (value.number() == 0), "ENUM_ZERO_VALUE_SUFFIX", name);
        report.require_comment(&file, value.path(), "COMMENT_ENUM_VALUE", name);
    }
}

fn has_comment(file: &FileDescriptorProto, path: &[i32]) -> bool {
    let locations = file.source_code_info.iter().flat_map(|info| &info.location);
    let mut comments =
        locations.filter(|place| place.path == path).map(|place| place.leading_comments());
    comments.any(|comment| !comment.trim().is_empty())
}

fn is_lower_snake(name: &str) -> bool {
    let is_word = |word: &str| {
        !word.is_empty()
            && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    };
    name.split('_').all(is_word) && name.starts_with(|first: char| first.is_ascii_lowercase())
}

fn is_upper_snake(name: &str) -> bool {
    is_lower_snake(&name.to_ascii_lowercase()) && name == name.to_ascii_uppercase()
}

fn is_pascal(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric())
        // "HTTPSeed" is "HttpSeed": the compiled name must not differ from the schema's.
        && !name.as_bytes().windows(2).any(|pair| pair.iter().all(u8::is_ascii_uppercase))
}

/// "ShareState" as "SHARE_STATE".
fn upper_snake(name: &str) -> String {
    let mut snake = String::new();
    for (index, letter) in name.char_indices() {
        if index > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_uppercase());
    }
    snake
}

/// Compiles one file as `bad/Name.proto` and says which rules it breaks.
fn broken_rules(source: &str) -> Vec<String> {
    struct OneFile(String);

    impl protox::file::FileResolver for OneFile {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            protox::file::File::from_source(name, &self.0)
        }
    }

    let mut compiler = protox::Compiler::with_file_resolver(OneFile(source.to_owned()));
    compiler.include_source_info(true).open_file("bad/Name.proto").unwrap();
    problems(&compiler.descriptor_pool())
}

#[test]
fn every_broken_rule_is_found() {
    let source = "
        syntax = 'proto2';
        package Bad.v0;
        message lower_case { optional int32 CamelCase = 1; oneof Choice { int32 x = 2; } }
        // Said.
        message HTTPSeed {}
        enum status { option allow_alias = true; Unknown = 1; STATUS_NONE = 0;
            // Said.
            STATUS_OTHER = 1;
        }
        service Nothing {}
    ";
    let expected = [
        "bad/Name.proto: SYNTAX_SPECIFIED",
        "bad/Name.proto: PACKAGE_DIRECTORY_MATCH",
        "bad/Name.proto: PACKAGE_LOWER_SNAKE_CASE",
        "bad/Name.proto: PACKAGE_VERSION_SUFFIX",
        "bad/Name.proto: FILE_LOWER_SNAKE_CASE",
        "Bad.v0.lower_case: MESSAGE_PASCAL_CASE",
        "Bad.v0.lower_case: COMMENT_MESSAGE",
        "Bad.v0.lower_case.CamelCase: FIELD_LOWER_SNAKE_CASE",
        "Bad.v0.lower_case.CamelCase: COMMENT_FIELD",
        "Bad.v0.lower_case.x: COMMENT_FIELD",
        "Bad.v0.lower_case.Choice: ONEOF_LOWER_SNAKE_CASE",
        "Bad.v0.lower_case.Choice: COMMENT_ONEOF",
        "Bad.v0.HTTPSeed: MESSAGE_PASCAL_CASE",
        "Bad.v0.status: ENUM_PASCAL_CASE",
        "Bad.v0.status: ENUM_NO_ALLOW_ALIAS",
        "Bad.v0.status: COMMENT_ENUM",
        "Bad.v0.status: ENUM_FIRST_VALUE_ZERO",
        "Bad.v0.STATUS_NONE: ENUM_ZERO_VALUE_SUFFIX",
        "Bad.v0.STATUS_NONE: COMMENT_ENUM_VALUE",
        "Bad.v0.Unknown: ENUM_VALUE_UPPER_SNAKE_CASE",
        "Bad.v0.Unknown: ENUM_VALUE_PREFIX",
        "Bad.v0.Unknown: COMMENT_ENUM_VALUE",
        "Bad.v0.Nothing: no services",
    ];
    assert_eq!(broken_rules(source), expected);
}
