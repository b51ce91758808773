//! Where a server's program is, and how to install one that is missing.

use std::path::{Path, PathBuf};

use crate::error::LocalServerError;

/// A program of somebody else's that is started here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Program {
    /// PostgreSQL's server.
    Postgres,
    /// Makes a folder for PostgreSQL's server.
    Initdb,
    /// Copies a PostgreSQL server that runs.
    PgBasebackup,
    /// The connection pool before PostgreSQL.
    PgBouncer,
    /// Redis.
    Redis,
    /// The NATS server of today, from the Python package that carries it.
    Nats,
    /// The NATS server that Debian 12 has, 2.9.
    NatsOfDebian,
    /// Ends a server with whoever started it.
    Setpriv,
}

/// Where programs lie that are not on everybody's path.
const SYSTEM_FOLDERS: [&str; 3] = ["/usr/sbin", "/usr/local/bin", "/usr/bin"];
/// Debian keeps PostgreSQL's programs in a folder for each version.
const POSTGRES_FOLDER: &str = "/usr/lib/postgresql";
/// The folder beside build output where `./check` puts what no package manager puts on the path.
const TOOLS_FOLDER: &str = "tools/bin";

impl Program {
    /// The file's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Postgres => "postgres",
            Self::Initdb => "initdb",
            Self::PgBasebackup => "pg_basebackup",
            Self::PgBouncer => "pgbouncer",
            Self::Redis => "redis-server",
            Self::Nats | Self::NatsOfDebian => "nats-server",
            Self::Setpriv => "setpriv",
        }
    }

    /// What installs it on Debian.
    pub fn how_to_install(self) -> &'static str {
        match self {
            Self::Postgres | Self::Initdb | Self::PgBasebackup => {
                "install it with 'apt-get install postgresql'"
            }
            Self::PgBouncer => "install it with 'apt-get install pgbouncer'",
            Self::Redis => "install it with 'apt-get install redis-server'",
            Self::Nats => {
                "run './check' in a checkout, which puts it beside the build output, or put nats-server 2.10 or newer on the PATH"
            }
            Self::NatsOfDebian => "install it with 'apt-get install nats-server'",
            Self::Setpriv => "install it with 'apt-get install util-linux'",
        }
    }

    /// Where it is.
    ///
    /// # Errors
    /// [`LocalServerError::Missing`], which says how to install it.
    pub fn find(self) -> Result<PathBuf, LocalServerError> {
        let folders = match self {
            Self::Postgres | Self::Initdb | Self::PgBasebackup => postgres_folders(),
            Self::PgBouncer | Self::Redis | Self::Setpriv => path_folders(),
            Self::Nats => tools_folders().into_iter().chain(path_folders()).collect(),
            Self::NatsOfDebian => system_folders(),
        };
        let mut files = folders.into_iter().map(|folder| folder.join(self.name()));
        files.find(|file| file.is_file()).ok_or(LocalServerError::Missing(self))
    }
}

fn system_folders() -> Vec<PathBuf> {
    SYSTEM_FOLDERS.iter().map(PathBuf::from).collect()
}

fn path_folders() -> Vec<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).chain(system_folders()).collect()
}

/// Beside the build output that this program is part of, if it is part of any.
fn tools_folders() -> Vec<PathBuf> {
    let program = std::env::current_exe().unwrap_or_default();
    program.ancestors().skip(1).map(|folder| folder.join(TOOLS_FOLDER)).collect()
}

/// The newest version first.
fn postgres_folders() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(POSTGRES_FOLDER)).into_iter().flatten().flatten();
    let mut versions: Vec<_> = entries.map(|entry| entry.path()).collect();
    versions.sort_by_key(|folder| {
        let name = folder.file_name().unwrap_or_default().to_string_lossy();
        std::cmp::Reverse(name.parse::<u32>().unwrap_or(0))
    });
    versions.into_iter().map(|folder| folder.join("bin")).chain(path_folders()).collect()
}
