//! Which roles a process has, and which stores they stand on. A store is chosen by the scheme of its URL.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::problems::HIDDEN;
use super::url::StoreUrl;

/// What a process does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Takes commands, and alone appends to the log.
    Command,
    /// Writes tables and boards from the log. Of several, one is at work and the others stand by.
    Projection,
    /// Answers queries.
    Query,
    /// Serves sockets.
    Realtime,
    /// Serves the log over the EventStoreDB protocol, on a port of its own.
    EventStore,
}

impl Role {
    /// Every role that a process has unless it is told. The event store is asked for by its port or by name.
    pub const ALL: [Self; 4] = [Self::Command, Self::Projection, Self::Query, Self::Realtime];

    /// Its name, as it is written in settings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Command => "command",
            Self::Projection => "projection",
            Self::Query => "query",
            Self::Realtime => "realtime",
            Self::EventStore => "event-store",
        }
    }
}

/// The stores that the roles stand on. Those within the process need no service, and no other process can use them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StoresConfig {
    /// The event log: `embedded:` in the data folder, or `nats://HOST:PORT` (several with commas) for JetStream, or
    /// `kurrentdb://USER:PASSWORD@HOST:PORT` (several hosts with commas, or `kurrentdb+discover://`) for KurrentDB.
    pub log: StoreUrl,
    /// The tables: `sqlite:` in the data folder, or `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, also through PgBouncer.
    pub tables: StoreUrl,
    /// A replica of the tables that answers queries, as `tables`: a standby of that PostgreSQL, or a PgBouncer before some. Without it the
    /// tables themselves answer.
    pub tables_replica: Option<StoreUrl>,
    /// The boards: `memory:`, or `redis://`, `redis+cluster://`, `redis+sentinel://` (with `?sentinel_password=..` where the sentinels
    /// ask for one), and each with `rediss` for TLS.
    pub leaderboard: StoreUrl,
    /// How changes reach sockets and watched boards: `memory:` or `nats://`.
    pub change_bus: StoreUrl,
    /// When players were last heard of: `memory:`, or Redis as for the boards.
    pub presence: StoreUrl,
    /// Which node writes a battle, and which projection is at work: `local:` for a single node of each, or `nats://`.
    pub ownership: StoreUrl,
    /// The monitors of the NATS servers, `http://HOST:8222`, several with commas: they are asked at the start whether they sync before
    /// they acknowledge. Without them nobody knows.
    pub nats_monitors: Option<String>,
    /// Copies that JetStream keeps of the log: 3 in production, 1 on a single server.
    pub nats_replicas: usize,
}

impl Default for StoresConfig {
    fn default() -> Self {
        Self {
            log: "embedded:".into(),
            tables: "sqlite:".into(),
            tables_replica: None,
            leaderboard: "memory:".into(),
            change_bus: "memory:".into(),
            presence: "memory:".into(),
            ownership: "local:".into(),
            nats_monitors: None,
            nats_replicas: 1,
        }
    }
}

/// A store's setting: its name, its URL, the schemes that it can have, and the roles that use it.
struct Use<'a> {
    setting: &'static str,
    url: &'a StoreUrl,
    schemes: &'static [&'static str],
    users: &'static [Role],
}

impl StoresConfig {
    fn uses(&self) -> Vec<Use<'_>> {
        const READERS: &[Role] = &[Role::Projection, Role::Query, Role::Realtime];
        const REDIS: &[&str] = &[
            "memory",
            "redis",
            "rediss",
            "redis+cluster",
            "rediss+cluster",
            "redis+sentinel",
            "rediss+sentinel",
        ];
        const LOGS: &[&str] =
            &["embedded", "nats", "kurrentdb", "kurrentdb+discover", "esdb", "esdb+discover"];
        const POSTGRES: &[&str] = &["postgres", "postgresql"];
        let one = |setting, url, schemes, users| Use { setting, url, schemes, users };
        let replica = self.tables_replica.iter();
        let replica = replica.map(|url| one("tables_replica", url, POSTGRES, &[Role::Query]));
        let all = [
            one("log", &self.log, LOGS, &[Role::Command, Role::Projection]),
            one("tables", &self.tables, &["sqlite", "postgres", "postgresql"], READERS),
            one("leaderboard", &self.leaderboard, REDIS, READERS),
            one("change_bus", &self.change_bus, &["memory", "nats"], READERS),
            one("presence", &self.presence, REDIS, &[Role::Command]),
            one("ownership", &self.ownership, &["local", "nats"], &[Role::Command, Role::Projection]),
        ];
        all.into_iter().chain(replica).collect()
    }

    /// What cannot work: the setting, and why.
    pub(super) fn problems(&self, roles: &[Role]) -> Vec<(String, String)> {
        let mut found = Vec::new();
        for Use { setting, url, schemes, users } in self.uses() {
            let setting = format!("stores.{setting}");
            if !schemes.contains(&url.scheme()) {
                let known = schemes.join("', '");
                found.push((setting, format!("'{url}' begins with none of '{known}' and a colon")));
            } else if url.expose().contains(HIDDEN) {
                found.push((setting, format!("'{HIDDEN}' stands for a password where settings are printed")));
            } else if let Some(flaw) = url.flaw() {
                found.push((setting, format!("'{url}' cannot be used: {flaw}")));
            } else if url.is_embedded() && !(setting == "stores.log" && *roles == [Role::EventStore]) {
                let (here, missing): (Vec<Role>, Vec<Role>) =
                    users.iter().partition(|role| roles.contains(role));
                if let (false, Some(missing)) = (here.is_empty(), missing.first()) {
                    let why = format!(
                        "'{url}' is within this process, where the role '{}' could not reach it; name a service",
                        missing.name()
                    );
                    found.push((setting, why));
                }
            }
        }
        if self.nats_monitors.as_ref().is_some_and(|urls| urls.contains('@')) {
            let why = "a monitor asks for no user and no password; write http://HOST:PORT";
            found.push(("stores.nats_monitors".to_owned(), why.to_owned()));
        }
        if self.tables_replica.is_some() && self.tables.is_embedded() {
            let why = format!("'{}' has no replica; name one in stores.tables that has", self.tables);
            found.push(("stores.tables_replica".to_owned(), why));
        }
        let monitors = self.nats_monitors.iter().flat_map(|urls| urls.split(','));
        for url in monitors.filter(|url| !url.trim().starts_with("http://")) {
            found.push(("stores.nats_monitors".to_owned(), format!("'{url}' does not begin with http://")));
        }
        found
    }
}

/// The log, served over the EventStoreDB protocol.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct EventStoreConfig {
    /// The address of its port, as `127.0.0.1:2113`. When absent, only the role `event-store` opens it, there.
    pub listen: Option<SocketAddr>,
    /// How clients reach this host; the address that is listened on when absent.
    pub advertised_host: Option<String>,
    /// The file with the port's certificates, PEM; with `tls_key`. Without both the port speaks plainly, and Python clients send no
    /// credentials.
    pub tls_certificate: Option<PathBuf>,
    /// The file with the certificate's key, PEM.
    pub tls_key: Option<PathBuf>,
    /// What nodes identify themselves with that have their log here, under the name `node`: whoever has it appends to battles. Without
    /// it nobody does. It is read and never written out.
    #[serde(skip_serializing)]
    pub node_password: Secret,
}

/// A secret of the settings. It is not shown when it is printed.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// The secret, for whoever checks it.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HIDDEN)
    }
}

/// How this process is known to the others of its cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Its name, which no other process has at the same time; a random one when absent.
    pub name: Option<String>,
    /// Where the others reach its port, as `http://HOST:PORT`; the address that it listens on when absent.
    pub url: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_roles_stand_on_embedded_stores_and_one_alone_does_not() {
        let stores = StoresConfig::default();
        assert_eq!(stores.problems(&Role::ALL), vec![]);
        let alone = stores.problems(&[Role::Query]);
        let settings: Vec<_> = alone.iter().map(|(setting, _)| setting.as_str()).collect();
        assert_eq!(settings, ["stores.tables", "stores.leaderboard", "stores.change_bus"]);
        assert!(alone[0].1.contains("'projection' could not reach it"), "{alone:?}");
    }

    #[test]
    fn a_replica_is_of_tables_that_can_have_one() {
        let (standby, tables) =
            (StoreUrl::from("postgres://standby/nimaora"), "postgres://db/nimaora".into());
        let stores = StoresConfig { tables_replica: Some(standby), ..StoresConfig::default() };
        let found = stores.problems(&Role::ALL);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].0 == "stores.tables_replica" && found[0].1.contains("has no replica"), "{found:?}");
        assert_eq!(StoresConfig { tables, ..stores.clone() }.problems(&Role::ALL), vec![]);
        let tables_replica = Some("sqlite:".into());
        let found = StoresConfig { tables_replica, ..stores }.problems(&Role::ALL);
        assert!(found[0].1.contains("begins with none of 'postgres'"), "{found:?}");
    }

    #[test]
    fn a_monitor_is_asked_over_http() {
        let monitors =
            |urls: &str| StoresConfig { nats_monitors: Some(urls.into()), ..StoresConfig::default() };
        assert_eq!(monitors("http://one:8222, http://two:8222").problems(&Role::ALL), vec![]);
        let found = monitors("http://one:8222,nats://two:4222").problems(&Role::ALL);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].1.contains("nats://two:4222"), "{found:?}");
    }

    #[test]
    fn an_unknown_scheme_is_told_with_the_known_ones() {
        let stores = StoresConfig { log: "mysql://x".into(), ..StoresConfig::default() };
        let found = stores.problems(&Role::ALL);
        assert_eq!(
            found,
            [("stores.log".into(), "'mysql://x' begins with none of 'embedded', 'nats', 'kurrentdb', 'kurrentdb+discover', 'esdb', \
                  'esdb+discover' and a colon"
                    .into()
            )]
        );
    }
}
