//! Where settings come from: defaults, then a file, then the environment, then flags; the later one wins.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::{Table, Value};

use super::problems::{self, ConfigError, Problem};
use super::{Config, SECRETS, SNAPSHOT_DIR};

/// How the names of variables that set something begin. `NIMAORA_REALTIME__BOARD_TICK_MS` sets `realtime.board_tick_ms`.
const PREFIX: &str = "NIMAORA_";
/// What stands for the dot of a setting's name in a variable's.
const SEPARATOR: &str = "__";
/// Variables with our prefix that are no settings.
const NO_SETTINGS: &[&str] = &["NIMAORA_CONFIG", "NIMAORA_ADMIN_TOKEN", "NIMAORA_SERVER"];

/// What a user gave.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// A TOML file.
    pub file: Option<PathBuf>,
    /// Variables of the environment; those without our prefix are passed over.
    pub environment: Vec<(String, String)>,
    /// Flags: the setting's name with dots, and its value.
    pub flags: Vec<(String, String)>,
}

/// A value that was given for a setting.
struct Given {
    source: String,
    path: String,
    value: Value,
}

impl Sources {
    /// The process's environment, without file and flags.
    pub fn from_environment() -> Self {
        let text = |os: std::ffi::OsString| os.to_string_lossy().into_owned();
        let environment = std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect();
        Self { environment, ..Self::default() }
    }

    /// The settings that follow.
    ///
    /// # Errors
    /// [`ConfigError`] with everything that is wrong.
    pub fn resolve(&self) -> Result<Config, ConfigError> {
        let defaults = defaults()?;
        let mut found = Vec::new();
        let mut table = defaults.clone();
        for given in self.given(&defaults, &mut found) {
            // Each value is tried alone on the defaults, so that one mistake does not hide another.
            let mut alone = defaults.clone();
            set(&mut alone, &given.path, given.value.clone());
            match Config::deserialize(alone) {
                Ok(_) => set(&mut table, &given.path, given.value),
                Err(error) => {
                    let what = format!("{}: {}", given.path, error.message());
                    found.push(Problem { source: given.source, what });
                }
            }
        }
        match Config::deserialize(table.clone()) {
            Ok(mut config) => {
                found.extend(problems::find(&config, &table));
                let beside = config.data_dir.join(SNAPSHOT_DIR);
                config.command.snapshot_dir.get_or_insert(beside);
                if found.is_empty() { Ok(config) } else { Err(ConfigError(found)) }
            }
            Err(error) => {
                let what = error.message().to_owned();
                found.push(Problem { source: "the settings together".to_owned(), what });
                Err(ConfigError(found))
            }
        }
    }

    /// Everything that was given, the least important first.
    fn given(&self, defaults: &Table, found: &mut Vec<Problem>) -> Vec<Given> {
        let mut given = Vec::new();
        if let Some(file) = &self.file {
            match read_file(file) {
                Ok(table) => given.extend(leaves(&table).into_iter().map(|(path, value)| {
                    let source = file.display().to_string();
                    Given { source, path, value }
                })),
                Err(problem) => found.push(problem),
            }
        }
        for (name, text) in &self.environment {
            let Some(rest) = name.strip_prefix(PREFIX) else { continue };
            if !NO_SETTINGS.contains(&name.as_str()) {
                let path = rest.to_lowercase().replace(SEPARATOR, ".");
                let value = as_value(defaults, &path, text);
                given.push(Given { source: format!("variable {name}"), path, value });
            }
        }
        for (path, text) in &self.flags {
            let value = as_value(defaults, path, text);
            given.push(Given { source: "flag".to_owned(), path: path.clone(), value });
        }
        given
    }
}

/// The defaults as a table.
fn defaults() -> Result<Table, ConfigError> {
    Table::try_from(Config::default()).map_err(|error| {
        let source = "the defaults".to_owned();
        ConfigError(vec![Problem { source, what: error.to_string() }])
    })
}

fn read_file(path: &Path) -> Result<Table, Problem> {
    let problem = |what: String| Problem { source: path.display().to_string(), what };
    let text = std::fs::read_to_string(path).map_err(|error| problem(format!("cannot be read: {error}")))?;
    text.parse()
        .map_err(|error: toml::de::Error| problem(error.to_string().trim_end().replace('\n', "\n    ")))
}

/// The value that a text stands for. What is text by default stays text; anything else is read as TOML, if it can be.
fn as_value(defaults: &Table, path: &str, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    // Secrets have no default that is written out.
    if get(defaults, path).is_some_and(Value::is_str) || SECRETS.contains(&path) {
        return as_text();
    }
    let parsed: Result<Table, _> = format!("value = {text}").parse();
    parsed.ok().and_then(|mut table| table.remove("value")).unwrap_or_else(as_text)
}

fn get<'a>(table: &'a Table, path: &str) -> Option<&'a Value> {
    match path.split_once('.') {
        None => table.get(path),
        Some((section, rest)) => get(table.get(section)?.as_table()?, rest),
    }
}

/// Sets the value at a path with dots; sections that are not there are made.
pub(super) fn set(table: &mut Table, path: &str, value: Value) {
    match path.split_once('.') {
        None => {
            table.insert(path.to_owned(), value);
        }
        Some((section, rest)) => {
            let entry = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
            match entry {
                Value::Table(inner) => set(inner, rest, value),
                other => {
                    let mut inner = Table::new();
                    set(&mut inner, rest, value);
                    *other = Value::Table(inner);
                }
            }
        }
    }
}

/// All values of a table with their paths. An empty section counts as a value, so that an unknown one is found.
pub(super) fn leaves(table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        match value {
            Value::Table(inner) if !inner.is_empty() => {
                found.extend(leaves(inner).into_iter().map(|(path, value)| (format!("{key}.{path}"), value)));
            }
            other => found.push((key.clone(), other.clone())),
        }
    }
    found
}
