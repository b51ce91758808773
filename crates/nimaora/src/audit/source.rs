//! Where the log is that is audited: in the files of a folder, in a service, or with a running server. Of a folder whose server runs the
//! server is asked, because one process has an embedded log.

use std::path::{Path, PathBuf};

use clap::Args;
use nimaora_event_log::OpenError;
use nimaora_event_log::log::SharedLog;

use super::error::AuditError;
use super::remote::Remote;
use super::stores;
use crate::cli::Places;
use crate::client::{bearer, token};
use crate::config::Config;
use crate::play::ClientError;
use crate::serve::{self, ADDRESS_FILE};

/// Where to look.
#[derive(Args, Debug)]
pub(super) struct SourceArgs {
    /// Ask this running server, one with the role 'projection', instead of opening the log.
    #[arg(long, value_name = "URL")]
    server: Option<String>,
    /// The admin token itself, for a server; else it is read from the file.
    #[arg(long, env = "NIMAORA_ADMIN_TOKEN", hide_env_values = true)]
    admin_token: Option<String>,
    /// The file that the server keeps its admin token in [default: admin-token in the data folder].
    #[arg(long, alias = "token-file", value_name = "FILE")]
    admin_token_file: Option<PathBuf>,
    #[command(flatten)]
    places: Places,
}

/// What was found there.
pub(super) enum Source {
    /// The log itself, and what is to be said of its end.
    Log(Box<Config>, SharedLog, Vec<String>),
    /// A server that has it.
    Server(Box<Remote>),
}

impl SourceArgs {
    /// Opens the log, or connects to its server.
    pub(super) async fn open(&self) -> Result<Source, AuditError> {
        let config = self.places.clone().resolve()?;
        if let Some(url) = &self.server {
            return self.connect(url.clone(), &config.data_dir).await.map(server);
        }
        match stores::log(&config).await {
            Ok((log, notes)) => Ok(Source::Log(Box::new(config), log, notes)),
            Err(AuditError::Open(in_use @ OpenError::InUse { .. })) => {
                // Whoever has it open without being reached at an address is no server, or one that is just starting.
                match std::fs::read_to_string(config.data_dir.join(ADDRESS_FILE)) {
                    Ok(url) => self.connect(url.trim().to_owned(), &config.data_dir).await.map(server),
                    Err(_) => Err(AuditError::Open(in_use)),
                }
            }
            Err(error) => Err(error),
        }
    }

    /// Whether a server was named, which may be one of several; an embedded log has one.
    pub(super) fn names_server(&self) -> bool {
        self.server.is_some()
    }

    /// Other servers that the same token is for.
    pub(super) async fn others(&self, urls: &[String]) -> Result<Vec<Remote>, AuditError> {
        let data_dir = self.places.clone().resolve()?.data_dir;
        let mut others = Vec::with_capacity(urls.len());
        for url in urls {
            others.push(self.connect(url.clone(), &data_dir).await?);
        }
        Ok(others)
    }

    async fn connect(&self, url: String, data_dir: &Path) -> Result<Remote, AuditError> {
        let found = match &self.admin_token {
            Some(token) => token.clone(),
            None => {
                let beside = || serve::admin_token_file(data_dir);
                let path = self.admin_token_file.clone().unwrap_or_else(beside);
                token::read(&path).map_err(|source| ClientError::AdminToken { path, source })?
            }
        };
        let token = bearer(found.trim()).ok_or(ClientError::Token)?;
        Remote::connect(url, token).await
    }
}

fn server(remote: Remote) -> Source {
    Source::Server(Box::new(remote))
}
