//! What the compiler cannot check: who depends on whom, where adapters are named, and how files look.
#![allow(clippy::unwrap_used, reason = "a suite of assertions")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The crates of ours that each crate of ours may depend on.
const EDGES: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("api", &[]),
    ("runtime", &[]),
    ("local-servers", &[]),
    ("redis-link", &[]),
    ("event-log", &["domain", "runtime"]),
    ("event-log-server", &["event-log", "domain", "api", "sessions", "runtime"]),
    ("read-models", &["domain", "redis-link", "runtime"]),
    ("change-bus", &["domain", "runtime"]),
    ("sessions", &["domain", "redis-link", "runtime"]),
    ("command-service", &["domain", "api", "event-log", "sessions", "runtime"]),
    ("projection-service", &["domain", "event-log", "read-models", "change-bus", "runtime"]),
    ("query-gateway", &["domain", "api", "read-models", "change-bus", "sessions", "runtime"]),
    ("realtime", &["domain", "api", "read-models", "change-bus", "sessions", "runtime"]),
];

/// Adapters and the crate that defines each. Outside of it only the binary and tests name them.
const ADAPTERS: &[(&str, &str)] = &[
    ("EmbeddedLog", "event-log"),
    ("JetStreamLog", "event-log"),
    ("KurrentDbLog", "event-log"),
    ("MemoryLeaderboard", "read-models"),
    ("RedisLeaderboard", "read-models"),
    ("ReplicaFirst", "read-models"),
    ("SqliteReadModels", "read-models"),
    ("PostgresReadModels", "read-models"),
    ("MemoryBus", "change-bus"),
    ("NatsLeadership", "projection-service"),
    ("NatsBus", "change-bus"),
    ("MemoryPresence", "sessions"),
    ("RedisPresence", "sessions"),
    ("SoleOwner", "command-service"),
    ("NatsOwnership", "command-service"),
];

/// A file longer than this is more than one thing.
const FILE_LINES_MAX: usize = 500;

/// Files that are longer all the same, and how long they may be. The numbers may only become smaller.
const LONGER_FILES: &[(&str, usize)] = &[];

/// The kinds of metrics, and how the names of each may end.
const METRICS: &[(&str, &[&str])] =
    &[("counter", &["_total"]), ("histogram", &["_seconds", "_bytes", "_events"]), ("gauge", &[""])];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// Every file below `folder` whose name ends with `ending`, build output left out.
fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !matches!(name.as_str(), "target" | ".git" | "node_modules" | "data") {
                    folders.push(path);
                }
            } else if name.ends_with(ending) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn relative(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().to_string_lossy().into_owned()
}

/// The names of our crates in a section of a manifest.
fn dependencies(manifest: &str, section: &str) -> BTreeSet<String> {
    let mut inside = false;
    let mut found = BTreeSet::new();
    for line in manifest.lines() {
        if line.starts_with('[') {
            inside = line.trim() == section;
        } else if inside && let Some(rest) = line.strip_prefix("nimaora-") {
            let name = rest.split(['.', ' ', '=']).next().unwrap();
            found.insert(name.to_owned());
        }
    }
    found
}

/// Whether the file holds the tests of the module beside it, which says what both are for.
fn is_unit_test(path: &Path) -> bool {
    let name = relative(path);
    name.contains("/src/") && (name.ends_with("/tests.rs") || name.contains("/tests/"))
}

fn assert_none(problems: &[String]) {
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn crates_depend_only_on_whom_they_may() {
    let edges: BTreeMap<_, _> = EDGES.iter().copied().collect();
    let mut problems = Vec::new();
    for folder in fs::read_dir(root().join("crates")).unwrap() {
        let folder = folder.unwrap().path();
        let name = folder.file_name().unwrap().to_string_lossy().into_owned();
        if name == "nimaora" {
            continue;
        }
        let Some(allowed) = edges.get(name.as_str()) else {
            problems.push(format!("crates/{name} is not in the table of edges"));
            continue;
        };
        let manifest = fs::read_to_string(folder.join("Cargo.toml")).unwrap();
        for dependency in dependencies(&manifest, "[dependencies]") {
            if !allowed.contains(&dependency.as_str()) {
                problems.push(format!("{name} must not depend on {dependency}"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn only_the_binary_and_tests_name_adapters() {
    let mut problems = Vec::new();
    for (adapter, home) in ADAPTERS {
        for path in files(&root().join("crates"), ".rs") {
            let name = relative(&path);
            let home = format!("crates/{home}/");
            let allowed = name.starts_with(&home)
                || name.starts_with("crates/nimaora/")
                || name
                    .split('/')
                    .any(|part| matches!(part, "tests" | "examples" | "tests.rs" | "testing.rs"));
            if allowed {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let shipped = text.split("#[cfg(test)]").next().unwrap();
            if shipped.contains(adapter) {
                problems.push(format!("{name} names the adapter {adapter}"));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn no_test_is_ignored() {
    let ignored = ["#[", "ignore"].concat();
    let problems: Vec<_> = files(&root(), ".rs")
        .into_iter()
        .filter(|path| fs::read_to_string(path).unwrap().contains(&ignored))
        .map(|path| format!("{} ignores a test", relative(&path)))
        .collect();
    assert_none(&problems);
}

#[test]
fn every_file_says_what_it_is_for() {
    let problems: Vec<_> = files(&root(), ".rs")
        .into_iter()
        .filter(|path| !is_unit_test(path) && !fs::read_to_string(path).unwrap().starts_with("//! "))
        .map(|path| format!("{} does not begin with //! and its purpose", relative(&path)))
        .collect();
    assert_none(&problems);
}

#[test]
fn every_part_of_the_api_is_commented() {
    let mut problems = Vec::new();
    for path in files(&root().join("proto"), ".proto") {
        let text = fs::read_to_string(&path).unwrap();
        let mut before = "";
        for (number, line) in text.lines().enumerate() {
            let code = line.trim();
            let declares = code.ends_with(';') && code.contains(" = ") && !code.starts_with("syntax")
                || ["message ", "enum ", "service ", "rpc ", "oneof "]
                    .iter()
                    .any(|word| code.starts_with(word));
            if declares && !before.starts_with("//") {
                problems.push(format!("{}:{}: {code} has no comment", relative(&path), number + 1));
            }
            before = code;
        }
    }
    assert_none(&problems);
}

#[test]
fn files_stay_short() {
    let longer: BTreeMap<_, _> = LONGER_FILES.iter().copied().collect();
    let mut problems = Vec::new();
    for path in files(&root(), ".rs") {
        let name = relative(&path);
        let lines = fs::read_to_string(&path).unwrap().lines().count();
        let most = longer.get(name.as_str()).copied().unwrap_or(FILE_LINES_MAX);
        if lines > most {
            problems.push(format!("{name} has {lines} lines, more than {most}"));
        }
    }
    for (name, _) in LONGER_FILES {
        if !root().join(name).exists() {
            problems.push(format!("{name} is gone; take it off the list"));
        }
    }
    assert_none(&problems);
}

#[test]
fn nothing_names_a_path_of_one_machine() {
    let paths = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let mut problems = Vec::new();
    for ending in [".rs", ".md", ".toml", ".proto", ".sql", ".sh"] {
        for path in files(&root(), ending) {
            let text = fs::read_to_string(&path).unwrap();
            for found in paths.iter().filter(|named| text.contains(named.as_str())) {
                problems.push(format!("{} names {found}", relative(&path)));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn every_crate_is_set_up_in_one_place() {
    let mut problems = Vec::new();
    for path in files(&root(), "Cargo.toml") {
        let manifest = fs::read_to_string(&path).unwrap();
        let name = relative(&path);
        // A workspace of its own has its own settings.
        if manifest.contains("[workspace]") {
            continue;
        }
        if !manifest.contains("[lints]\nworkspace = true") {
            problems.push(format!("{name} does not take the workspace's lints"));
        }
        if !manifest.lines().any(|line| line.starts_with("description = \"") && line.contains(' ')) {
            problems.push(format!("{name} does not describe its crate"));
        }
        let mut inside = false;
        for line in manifest.lines() {
            if line.starts_with('[') {
                inside = line.ends_with("dependencies]");
            } else if inside && line.contains('=') && !line.contains("workspace = true") {
                problems.push(format!("{name}: the workspace says the version, and not: {line}"));
            }
        }
    }
    assert_none(&problems);
}

/// Whether the file says what the metric means, and not in vain.
fn described(text: &str, kind: &str, named: &str) -> bool {
    let dense: String = text.split_whitespace().collect();
    let said = dense.split(&format!("describe_{kind}!(\"{named}\",\"")).nth(1);
    said.is_some_and(|said| !said.starts_with('"'))
}

#[test]
fn metrics_are_named_in_one_file_of_each_crate() {
    let mut problems = Vec::new();
    for path in files(&root().join("crates"), ".rs") {
        let name = relative(&path);
        let text = fs::read_to_string(&path).unwrap();
        for (kind, endings) in METRICS {
            for named in text.split(&format!("metrics::{kind}!(\"")).skip(1) {
                let named = named.split('"').next().unwrap();
                if !name.ends_with("/metrics.rs") {
                    problems.push(format!("{name} names the metric {named}"));
                }
                if !described(&text, kind, named) {
                    problems.push(format!("{name} does not say what {named} means"));
                }
                if !named.starts_with("nimaora_") || !endings.iter().any(|ending| named.ends_with(ending)) {
                    problems.push(format!("{name}: {named} is no nimaora_<what> that ends with {endings:?}"));
                }
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn what_the_documents_point_at_is_there() {
    let mut problems = Vec::new();
    for path in files(&root(), ".md") {
        let text = fs::read_to_string(&path).unwrap();
        let here = path.parent().unwrap();
        let links = text.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
        for link in links.filter(|link| !link.is_empty() && !link.contains(':')) {
            if !here.join(link).exists() {
                problems.push(format!("{} links to {link}", relative(&path)));
            }
        }
        // Between every other pair of backticks there is code; what begins like a path of ours is one.
        for code in text.split('`').skip(1).step_by(2) {
            let ours = ["crates/", "tests/", "proto/", "docs/", "benches/"]
                .iter()
                .any(|part| code.starts_with(part));
            let whole = !code.contains([' ', '{', '<', '*', '\n']);
            if ours && whole && !root().join(code).exists() {
                problems.push(format!("{} names {code}", relative(&path)));
            }
        }
    }
    assert_none(&problems);
}

#[test]
fn both_licences_are_there() {
    for name in ["LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(root().join(name).is_file(), "{name} is missing");
    }
}
