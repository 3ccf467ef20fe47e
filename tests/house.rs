//! The walls of the house: which folder may use which, how long a file may be, who may call a
//! source. Reads the sources as text; needs nothing but the standard library.

#![allow(
    missing_docs,
    clippy::pedantic,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::mem_forget,
    clippy::print_stdout,
    clippy::allow_attributes_without_reason,
    let_underscore_drop,
    reason = "a test that reads files"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder or file of the ground floor and what it may use.
const GROUND: [(&str, &[&str]); 9] = [
    ("error", &[]),
    ("name", &[]),
    ("tally", &["sync"]),
    ("sync", &[]),
    ("clock", &["sync", "error"]),
    ("config", &["error"]),
    ("registry", &["name", "sync"]),
    ("metrics", &["error", "config", "sync"]),
    ("pool", &["error", "clock", "config", "metrics", "sync"]),
];
const ROOMS: [&str; 6] = ["cache", "breaker", "limiter", "router", "batch", "quality"];
const MANAGER: &str = "manager";

/// Lines of code a file may have; comments and blank lines are free.
const MAX_CODE_LINES: usize = 400;

fn allowed(module: &str) -> Vec<&'static str> {
    let ground = || GROUND.iter().map(|(name, _)| *name);
    if let Some((_, may)) = GROUND.iter().find(|(name, _)| *name == module) {
        may.to_vec()
    } else if ROOMS.contains(&module) {
        ground().collect()
    } else if module == MANAGER {
        ground().chain(ROOMS).collect()
    } else {
        ground().chain(ROOMS).chain([MANAGER]).collect()
    }
}

/// All files below `src`, with their path from there and their text.
fn sources() -> BTreeMap<String, String> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() { walk(&path, found) } else { found.push(path) }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    walk(&root, &mut files);
    files
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().replace('\\', "/");
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

fn module_of(file: &str) -> &str {
    file.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The text without line comments; strings that hold `//` lose their rest, which no rule minds.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

/// First names after every `crate::`, brace groups included.
fn uses(code: &str) -> Vec<String> {
    let name = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(name(rest));
            continue;
        };
        let mut depth = 1;
        let mut item = String::new();
        for c in group.chars() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => {}
            }
            if depth == 0 || (depth == 1 && c == ',') {
                found.push(name(item.trim()));
                item.clear();
            } else {
                item.push(c);
            }
            if depth == 0 {
                break;
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

/// Every broken wall, in words.
fn broken_walls(sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in sources {
        let (module, code) = (module_of(file), code(text));
        for used in uses(&code) {
            if module != "lib" && used != module && !allowed(module).contains(&used.as_str()) {
                broken.push(format!("{file}: {module} must not use {used}"));
            }
        }
        let lines = code.lines().filter(|line| !line.trim().is_empty()).count();
        if lines > MAX_CODE_LINES {
            broken.push(format!("{file}: {lines} lines of code, at most {MAX_CODE_LINES}"));
        }
        if (file.ends_with("mod.rs") || text.lines().count() > 80) && !text.starts_with("//!") && file != "lib.rs" {
            broken.push(format!("{file}: no module head"));
        }
        if code.contains("source.call(") && file != "manager/fetch.rs" {
            broken.push(format!("{file}: only manager/fetch.rs calls a source"));
        }
        if code.contains("prometheus::") && module != "metrics" {
            broken.push(format!("{file}: only metrics/ names prometheus"));
        }
        if !text.is_ascii() {
            broken.push(format!("{file}: not ASCII"));
        }
    }
    broken
}

#[test]
fn the_walls_stand() {
    let broken = broken_walls(&sources());
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_folder_is_known() {
    for file in sources().keys() {
        let module = module_of(file);
        let known = GROUND.iter().any(|(name, _)| *name == module) || ROOMS.contains(&module);
        assert!(known || [MANAGER, "lib"].contains(&module), "{file}");
    }
}

#[test]
fn every_room_has_the_same_faces() {
    let sources = sources();
    for room in ROOMS {
        for face in ["mod", "config", "error", "metrics", "tests"] {
            assert!(sources.contains_key(&format!("{room}/{face}.rs")), "{room} has no {face}.rs");
        }
    }
}

#[test]
fn a_broken_wall_is_seen() {
    let broken = |file: &str, text: &str| broken_walls(&BTreeMap::from([(file.to_owned(), text.to_owned())]));
    let cases = [
        ("cache/x.rs", "use crate::breaker::Open;"),
        ("limiter/x.rs", "use crate::{\n    clock::Clock,\n    router::{SmartRouter, Decision},\n};"),
        ("clock.rs", "use crate::metrics::Metrics;"),
        ("pool/x.rs", "fn f() { crate::cache::load() }"),
        ("router/x.rs", "use crate::manager::Source;"),
        ("batch/x.rs", "fn f() { self.source.call(x) }"),
        ("cache/x.rs", "use prometheus::Registry;"),
    ];
    for (file, text) in cases {
        assert_eq!(broken(file, text).len(), 1, "{file}: {text}");
    }
    assert_eq!(broken("cache/x.rs", "// use crate::breaker::Open;\nuse crate::clock::Clock;"), Vec::<String>::new());
    assert_eq!(broken("cache/x.rs", &"//! head\nlet x = 1;\n".repeat(401)).len(), 1);
}
