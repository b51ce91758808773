//! What comes in from outside: its licences, its sources, and how often it comes in. `cargo deny` says the same and more where
//! it is installed; these tests need nothing but cargo, and read the same `deny.toml`.
#![allow(clippy::unwrap_used, reason = "a suite of assertions")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// Libraries that come in more than once, because others of our dependencies ask for an older version. The list may only
/// become shorter; whoever adds a dependency that makes it longer looks for another one first. The official client of KurrentDB, which
/// our tests of the EventStoreDB protocol have to use, brings gRPC's libraries of the year before.
const MORE_THAN_ONCE: &[&str] = &[
    "base64",
    "block-buffer",
    "cpufeatures",
    "crypto-common",
    "digest",
    "foldhash",
    "getrandom",
    "hashbrown",
    "itertools",
    "petgraph",
    "prettyplease",
    "prost",
    "prost-build",
    "prost-derive",
    "prost-types",
    "rand",
    "rand_chacha",
    "rand_core",
    "sha1",
    "sha2",
    "socket2",
    "syn",
    "thiserror",
    "thiserror-impl",
    "tonic",
    "tonic-build",
    "tower-http",
    "unicode-width",
];

const REGISTRY: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// A package that is built into the program or its tests.
struct Package {
    name: String,
    version: String,
    licence: String,
    /// Absent for our own.
    source: Option<String>,
}

fn packages() -> Vec<Package> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".to_owned());
    let asked = ["metadata", "--format-version=1", "--locked", "--filter-platform=x86_64-unknown-linux-gnu"];
    let answer = Command::new(cargo).args(asked).current_dir(root).output().unwrap();
    assert!(answer.status.success(), "{}", String::from_utf8_lossy(&answer.stderr));
    let metadata: Value = serde_json::from_slice(&answer.stdout).unwrap();
    let used: BTreeSet<&str> = list(&metadata["resolve"]["nodes"]).map(|node| text(&node["id"])).collect();
    list(&metadata["packages"])
        .filter(|package| used.contains(text(&package["id"])))
        .map(|package| Package {
            name: text(&package["name"]).to_owned(),
            version: text(&package["version"]).to_owned(),
            licence: package["license"].as_str().unwrap_or_default().to_owned(),
            source: package["source"].as_str().map(str::to_owned),
        })
        .collect()
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().unwrap().iter()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn deny() -> toml::Table {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deny.toml");
    std::fs::read_to_string(file).unwrap().parse().unwrap()
}

/// Whether a licence expression can be met with the allowed licences alone. The old form with `/` means `OR`.
fn is_met(expression: &str, allowed: &BTreeSet<&str>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let (met, rest) = any(&words, allowed);
    met && rest.is_empty()
}

fn any<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<&str>) -> (bool, &'w [&'a str]) {
    let (mut met, mut rest) = all(words, allowed);
    while let ["OR", after @ ..] = rest {
        let (other, after) = all(after, allowed);
        (met, rest) = (met || other, after);
    }
    (met, rest)
}

fn all<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<&str>) -> (bool, &'w [&'a str]) {
    let (mut met, mut rest) = one(words, allowed);
    while let ["AND", after @ ..] = rest {
        let (other, after) = one(after, allowed);
        (met, rest) = (met && other, after);
    }
    (met, rest)
}

fn one<'a, 'w>(words: &'w [&'a str], allowed: &BTreeSet<&str>) -> (bool, &'w [&'a str]) {
    match words {
        ["(", inside @ ..] => match any(inside, allowed) {
            (met, [")", after @ ..]) => (met, after),
            (_, rest) => (false, rest),
        },
        [licence, "WITH", exception, after @ ..] => {
            (allowed.contains(format!("{licence} WITH {exception}").as_str()), after)
        }
        [licence, after @ ..] => (allowed.contains(licence), after),
        [] => (false, words),
    }
}

#[test]
fn licence_expressions_are_understood() {
    let allowed = BTreeSet::from(["MIT", "Apache-2.0", "Apache-2.0 WITH LLVM-exception"]);
    for met in [
        "MIT",
        "GPL-3.0 OR MIT",
        "MIT/Apache-2.0",
        "MIT AND (GPL-3.0 OR Apache-2.0)",
        "Apache-2.0 WITH LLVM-exception OR GPL-3.0",
    ] {
        assert!(is_met(met, &allowed), "{met}");
    }
    for not_met in [
        "",
        "GPL-3.0",
        "MIT AND GPL-3.0",
        "(MIT",
        "MIT MIT",
        "MIT WITH LLVM-exception",
        "MIT AND (GPL-3.0 OR ISC)",
    ] {
        assert!(!is_met(not_met, &allowed), "{not_met}");
    }
}

#[test]
fn every_licence_suits_ours() {
    let deny = deny();
    let allowed: BTreeSet<&str> =
        deny["licenses"]["allow"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    let problems: Vec<_> = packages()
        .into_iter()
        .filter(|package| !is_met(&package.licence, &allowed))
        .map(|package| format!("{} {} is under '{}'", package.name, package.version, package.licence))
        .collect();
    assert!(problems.is_empty(), "\n{}\n", problems.join("\n"));
}

#[test]
fn everything_comes_from_the_registry() {
    let elsewhere: Vec<_> = packages()
        .into_iter()
        .filter(|package| package.source.as_deref().is_some_and(|source| source != REGISTRY))
        .map(|package| format!("{} comes from {:?}", package.name, package.source))
        .collect();
    assert!(elsewhere.is_empty(), "\n{}\n", elsewhere.join("\n"));
}

#[test]
fn nothing_comes_in_that_is_refused() {
    let deny = deny();
    let refused: BTreeSet<&str> =
        deny["bans"]["deny"].as_array().unwrap().iter().filter_map(|entry| entry["crate"].as_str()).collect();
    let found: Vec<_> = packages()
        .into_iter()
        .map(|package| package.name)
        .filter(|name| refused.contains(name.as_str()))
        .collect();
    assert!(found.is_empty(), "refused by deny.toml: {found:?}");
}

#[test]
fn no_library_comes_in_twice_that_came_in_once() {
    let mut versions: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for package in packages() {
        versions.entry(package.name).or_default().insert(package.version);
    }
    versions.retain(|_, versions| versions.len() > 1);
    let known: BTreeSet<&str> = MORE_THAN_ONCE.iter().copied().collect();
    let found: BTreeSet<&str> = versions.keys().map(String::as_str).collect();
    let new: Vec<_> = versions.iter().filter(|(name, _)| !known.contains(name.as_str())).collect();
    let gone: Vec<_> = known.difference(&found).collect();
    assert!(new.is_empty(), "in several versions: {new:?}");
    assert!(gone.is_empty(), "in one version only; take them off the list: {gone:?}");
}
