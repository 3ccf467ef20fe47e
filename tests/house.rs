//! The walls of the house: which folder may use which, how long a file may be, who may call a
//! source. Reads the sources as text; needs nothing but the standard library.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A folder or file of the ground floor and what it may use.
const GROUND: [(&str, &[&str]); 15] = [
    ("cancel", &["sync", "wakers"]),
    ("wakers", &[]),
    ("hint", &["error"]),
    ("chain", &["sync"]),
    ("error", &[]),
    ("name", &[]),
    ("outcome", &[]),
    ("listeners", &["config", "error", "sync"]),
    ("tally", &["sync"]),
    ("sync", &[]),
    ("clock", &["sync", "error"]),
    ("config", &["error", "clock", "metrics"]),
    ("registry", &["name", "sync"]),
    ("metrics", &["clock", "error", "config", "sync"]),
    ("pool", &["error", "clock", "config", "metrics", "sync"]),
];
const ROOMS: [&str; 7] = ["cache", "breaker", "limiter", "router", "batch", "quality", "retry"];
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
        if code.contains("source.call(") && file != "manager/source_call.rs" {
            broken.push(format!("{file}: only manager/source_call.rs calls a source"));
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

/// Files of one room that use each other in a circle, and why. A circle that is not listed fails, and
/// so does a listed one that is gone: the list only shrinks.
const CIRCLES: [(&str, &[&str], &str); 4] = [
    ("breaker", &["circuit_breaker", "permit"], "a permit ends at the breaker that granted it"),
    ("router", &["smart_router", "ticket"], "a ticket ends at the router that granted it"),
    ("batch", &["job", "processor"], "a job runs on the processor that makes it"),
    ("limiter", &["adaptive_rate_limiter", "permit", "reservation"], "a permit or place ends at the limiter it is of"),
];

/// Names that had a home-made word before; the field's word stands behind each.
const OLD_WORDS: [(&str, &str); 22] = [
    ("Mind", "Learner"),
    ("Line", "WaitQueue"),
    ("Held", "Blocked"),
    ("Hold", "Backoff (cache), Charge (router)"),
    ("Leftovers", "Removed"),
    ("Fill", "LoadGuard"),
    ("Boarding", "JoinResult"),
    ("Ask", "LookupMode"),
    ("Patience", "LookupOptions"),
    ("Turn", "Attempt"),
    ("Purse", "BudgetLedger"),
    ("Crowd", "FrameLoad"),
    ("Sink", "ReportBuilder"),
    ("Drainer", "BatchWorker"),
    ("WhyNot", "Exclusion"),
    ("CallVerdict", "Outcome"),
    ("CallOutcome", "Outcome"),
    ("RateOutcome", "Outcome"),
    ("Terms", "ScoreTerms (router), RunContext (batch)"),
    ("Answer", "a name that says of what"),
    ("Untold", "Unrecorded"),
    ("Finish", "AttemptSet"),
];

/// Words that may name one type only; `State` and the like are private to their file everywhere.
const ONE_MEANING: [&str; 8] = ["Lane", "Answer", "Tally", "Refusal", "ScoreTerms", "Outcome", "Backoff", "Listener"];

/// Types that a file defines: `struct`, `enum`, `trait`, `type`.
fn definitions(code: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in code.lines() {
        let mut words = line.split_whitespace().skip_while(|word| word.starts_with("pub"));
        if let (Some("struct" | "enum" | "trait" | "type"), Some(name)) = (words.next(), words.next()) {
            found.push(name.chars().take_while(|c| c.is_alphanumeric()).collect());
        }
    }
    found
}

/// For each file of a room the files of that room it uses; `super::X` is found through `mod.rs`.
fn arrows(sources: &BTreeMap<String, String>, room: &str) -> BTreeMap<String, Vec<String>> {
    let stem = |file: &str| file.trim_start_matches(room).trim_start_matches('/').trim_end_matches(".rs").to_owned();
    let files: Vec<(&String, String)> = sources
        .iter()
        .filter(|(file, _)| {
            file.starts_with(&format!("{room}/")) && file.matches('/').count() == 1 + room.matches('/').count()
        })
        .map(|(file, text)| (file, code(text)))
        .collect();
    let mut home: BTreeMap<String, String> = BTreeMap::new();
    for (file, code) in &files {
        for name in definitions(code) {
            home.entry(name).or_insert_with(|| stem(file));
        }
    }
    let mut arrows = BTreeMap::new();
    for (file, code) in files {
        let me = stem(file);
        if me == "mod" || me == "tests" {
            continue;
        }
        let mut used = Vec::new();
        let imports = code.split("use super::").skip(1).map(|rest| rest.split(';').next().unwrap_or_default());
        for import in imports {
            for word in import.split(|c: char| !c.is_alphanumeric() && c != '_') {
                let target = home.get(word).cloned().unwrap_or_else(|| word.to_owned());
                let is_file = sources.contains_key(&format!("{room}/{target}.rs"));
                if is_file && target != me && !used.contains(&target) {
                    used.push(target);
                }
            }
        }
        arrows.insert(me, used);
    }
    arrows
}

/// Sets of files that reach each other.
fn circles(arrows: &BTreeMap<String, Vec<String>>) -> Vec<Vec<String>> {
    let reach = |from: &String| {
        let (mut seen, mut next) = (Vec::new(), vec![from.clone()]);
        while let Some(at) = next.pop() {
            for to in arrows.get(&at).into_iter().flatten() {
                if !seen.contains(to) {
                    seen.push(to.clone());
                    next.push(to.clone());
                }
            }
        }
        seen
    };
    let reached: BTreeMap<&String, Vec<String>> = arrows.keys().map(|file| (file, reach(file))).collect();
    let mut found: Vec<Vec<String>> = Vec::new();
    for (file, to) in &reached {
        let circle: Vec<String> = reached
            .iter()
            .filter(|(other, back)| to.contains(other) && back.contains(file))
            .map(|(other, _)| (*other).clone())
            .collect();
        if circle.len() > 1 && !found.contains(&circle) {
            found.push(circle);
        }
    }
    found
}

fn unlisted(room: &str, found: &[Vec<String>]) -> Vec<String> {
    let listed: Vec<&[&str]> = CIRCLES.iter().filter(|(of, ..)| *of == room).map(|(_, files, _)| *files).collect();
    let is_listed = |circle: &Vec<String>| listed.iter().any(|files| circle.iter().eq(files.iter()));
    let new =
        found.iter().filter(|circle| !is_listed(circle)).map(|circle| format!("{room}: {}", circle.join(" <-> ")));
    let is_there = |files: &&[&str]| found.iter().any(|circle| circle.iter().eq(files.iter()));
    let gone =
        listed.iter().filter(|files| !is_there(files)).map(|files| format!("{room}: {files:?} is no circle any more"));
    new.chain(gone).collect()
}

#[test]
fn no_circles_inside_rooms() {
    let sources = sources();
    let rooms = ROOMS.into_iter().chain([MANAGER, "quality/robust", "quality/rules", "cache/store"]);
    let broken: Vec<String> = rooms.flat_map(|room| unlisted(room, &circles(&arrows(&sources, room)))).collect();
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn a_circle_is_seen() {
    let sources = [
        ("r/mod.rs", "pub use a::A;"),
        ("r/a.rs", "use super::b::B;\nstruct A;"),
        ("r/b.rs", "use super::{A, c};\npub(super) struct B;"),
        ("r/c.rs", "use super::d;"),
        ("r/d.rs", ""),
    ];
    let sources = sources.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned())).collect();
    assert_eq!(circles(&arrows(&sources, "r")), [["a", "b"]]);
}

/// Old words, and words with two meanings.
fn broken_words(sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut broken = Vec::new();
    let mut homes: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for (file, text) in sources {
        for name in definitions(&code(text)) {
            if let Some((old, new)) = OLD_WORDS.iter().find(|(old, _)| *old == name) {
                broken.push(format!("{file}: {old} is now {new}"));
            }
            homes.entry(name).or_default().push(file);
        }
    }
    for word in ONE_MEANING {
        if let Some(files) = homes.get(word).filter(|files| files.len() > 1) {
            broken.push(format!("{word} has {} meanings: {}", files.len(), files.join(", ")));
        }
    }
    broken
}

#[test]
fn one_word_one_thing() {
    let broken = broken_words(&sources());
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn a_second_meaning_is_seen() {
    let sources = [("a/x.rs", "struct Lane;"), ("b/y.rs", "pub(super) enum Lane {}"), ("b/z.rs", "type Purse = u8;")];
    let sources = sources.into_iter().map(|(file, text)| (file.to_owned(), text.to_owned())).collect();
    assert_eq!(broken_words(&sources).len(), 2);
}

/// Public enums and configurations without `non_exhaustive`, and `ALL` that is no slice.
fn closed_types(sources: &BTreeMap<String, String>) -> Vec<String> {
    let mut broken = Vec::new();
    for (file, text) in sources {
        let lines: Vec<&str> = text.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            let is_enum = line.starts_with("pub enum ");
            let is_config = line.starts_with("pub struct ") && line.contains("Config ");
            let attributes =
                lines[..at].iter().rev().take_while(|line| line.starts_with("#[") || line.starts_with("///"));
            if (is_enum || is_config) && !attributes.clone().any(|line| *line == "#[non_exhaustive]") {
                broken.push(format!("{file}: {line} is not non_exhaustive"));
            }
            if line.trim_start().starts_with("pub const ALL: [") {
                broken.push(format!("{file}: ALL is an array, its length is part of the interface"));
            }
        }
    }
    broken
}

#[test]
fn what_is_public_can_grow() {
    let broken = closed_types(&sources());
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
