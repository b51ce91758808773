//! The URL of a store: what it may look like, and what of it may be shown.

use std::fmt;

use nimaora_read_models::postgres::PostgresConfig;
use serde::{Deserialize, Serialize, Serializer};
use url::Url;

use super::problems::HIDDEN;

/// The schemes of stores within the process.
const EMBEDDED: &[&str] = &["embedded", "sqlite", "memory", "local"];
/// Parameters whose values are no secret.
const SHOWN_PARAMETERS: &[&str] =
    &["sslmode", "sslrootcert", "sslcert", "sslkey", "sentinel_user", "tls", "tlsVerifyCert", "tlsCaFile"];
/// What sentinels are told besides.
const SENTINEL_PARAMETERS: &[&str] = &["sentinel_user", "sentinel_password"];

/// The URL of a store. Its passwords are shown nowhere.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct StoreUrl(String);

impl StoreUrl {
    /// The URL, password and all, for whoever connects.
    pub(crate) fn expose(&self) -> &str {
        &self.0
    }

    /// What stands before the first colon.
    pub fn scheme(&self) -> &str {
        self.0.split_once(':').map_or("", |(scheme, _)| scheme)
    }

    /// Whether it is within this process.
    pub fn is_embedded(&self) -> bool {
        EMBEDDED.contains(&self.scheme())
    }

    /// Why nothing can be behind it, as far as its form tells; in words that show no password.
    pub(super) fn flaw(&self) -> Option<String> {
        if self.is_embedded() {
            let rest = &self.0[self.scheme().len() + 1..];
            return (!rest.is_empty()).then(|| "nothing may follow the colon".to_owned());
        }
        match self.scheme() {
            "postgres" | "postgresql" => PostgresConfig::new(&self.0)
                .err()
                .map(|error| error.to_string())
                .or_else(|| flaw_of(&self.0, &[])),
            scheme if scheme.ends_with("+sentinel") => self.sentinels_flaw(),
            // Its client judges the parameters.
            scheme if is_kurrentdb(scheme) || scheme.ends_with("+cluster") => {
                self.hosts().find_map(|host| flaw_of(&host, &["", "/"]))
            }
            "redis" | "rediss" => redis_path_flaw(&self.0).or_else(|| flaw_of(&self.0, &[])),
            _ => servers(&self.0).iter().find_map(|server| nats_flaw(server)),
        }
    }

    fn sentinels_flaw(&self) -> Option<String> {
        let names = self.parameters().map(|parameter| parameter.split('=').next().unwrap_or_default());
        if names.into_iter().any(|name| !SENTINEL_PARAMETERS.contains(&name)) {
            return Some(format!("its parameters can be {}", SENTINEL_PARAMETERS.join(" and ")));
        }
        let mut path = String::new();
        let flaw = self.hosts().find_map(|host| {
            path = Url::parse(&host).map(|url| url.path().to_owned()).unwrap_or_default();
            flaw_of(&host, &[])
        });
        let unnamed = || path.trim_matches('/').is_empty();
        flaw.or_else(|| {
            unnamed().then(|| "the name of the master is missing: HOST:PORT,HOST:PORT/NAME".to_owned())
        })
    }

    /// What follows the question mark, one by one.
    fn parameters(&self) -> impl Iterator<Item = &str> {
        self.0.split_once('?').map_or("", |(_, all)| all).split('&').filter(|parameter| !parameter.is_empty())
    }

    /// Each host of a URL that writes its user once, before them all; as a URL of its own, without parameters.
    fn hosts(&self) -> impl Iterator<Item = String> {
        let url = self.0.split('?').next().unwrap_or_default();
        let rest = url.split_once("://").map_or("", |(_, rest)| rest);
        let (user, hosts) = rest.rfind('@').map_or(("", rest), |at| rest.split_at(at + 1));
        hosts.split(',').map(move |host| format!("store://{user}{host}"))
    }
}

/// The servers of a URL, which names several with commas between them. A comma in a password parts nothing.
fn servers(url: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut begin = 0;
    for (comma, _) in url.match_indices(',') {
        let next = url[comma + 1..].split(',').next().unwrap_or_default();
        if next.contains("://") {
            found.push(&url[begin..comma]);
            begin = comma + 1;
        }
    }
    found.push(&url[begin..]);
    found
}

fn is_kurrentdb(scheme: &str) -> bool {
    scheme.starts_with("kurrentdb") || scheme.starts_with("esdb")
}

fn nats_flaw(server: &str) -> Option<String> {
    let server = server.trim();
    let begins_well = server.starts_with("nats://") || server.starts_with("tls://");
    let begin = (!begins_well).then(|| "each server begins with nats:// or tls://".to_owned());
    begin.or_else(|| flaw_of(server, &["", "/"]))
}

/// The path of a single Redis is the number of its database.
fn redis_path_flaw(url: &str) -> Option<String> {
    let path = Url::parse(url).map(|url| url.path().trim_start_matches('/').to_owned()).unwrap_or_default();
    (!path.is_empty() && path.parse::<u16>().is_err())
        .then(|| "what follows the host is no number of a database".to_owned())
}

/// What is wrong with the URL of one server. The path is one of `paths`, or any where there are none.
fn flaw_of(url: &str, paths: &[&str]) -> Option<String> {
    let parsed = match Url::parse(url) {
        Ok(parsed) => parsed,
        Err(error) => return Some(format!("{error}; write it as SCHEME://[USER:PASSWORD@]HOST:PORT")),
    };
    if parsed.host_str().is_none_or(str::is_empty) {
        return Some("a host is missing".to_owned());
    }
    let user = url.split_once("://").and_then(|(_, rest)| Some(rest.rsplit_once('@')?.0)).unwrap_or_default();
    if user.contains(['@', ',']) {
        let how = "write user and password once, before the first host, and in a password %40 for @ and %2C for a comma";
        return Some(how.to_owned());
    }
    let is_postgres = parsed.scheme().starts_with("postgres");
    if parsed.fragment().is_some() || (parsed.query().is_some() && !is_postgres) {
        return Some("nothing may follow a ? or a #; a password stands before the host".to_owned());
    }
    let path = parsed.path();
    (!paths.is_empty() && !paths.contains(&path)).then(|| "nothing may follow the port".to_owned())
}

impl From<&str> for StoreUrl {
    fn from(url: &str) -> Self {
        Self(url.to_owned())
    }
}

/// The URL with `<hidden>` for each password, token and unknown parameter. A URL of several servers may have several.
impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, server) in servers(&self.0).into_iter().enumerate() {
            if number > 0 {
                f.write_str(",")?;
            }
            show(server, f)?;
        }
        Ok(())
    }
}

fn show(server: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let (server, parameters) = server.split_once('?').map_or((server, None), |(url, all)| (url, Some(all)));
    let (scheme, rest) = server.split_once("://").map_or(("", server), |(scheme, rest)| (scheme, rest));
    if !scheme.is_empty() {
        write!(f, "{scheme}://")?;
    }
    match rest.rsplit_once('@').map(|(who, place)| (who.split_once(':'), who, place)) {
        Some((Some((user, _)), _, place)) => write!(f, "{user}:{HIDDEN}@{place}")?,
        // PostgreSQL knows users without a password; elsewhere what stands alone is a token, or may be one.
        Some((None, user, place)) if scheme.starts_with("postgres") => write!(f, "{user}@{place}")?,
        Some((None, _, place)) => write!(f, "{HIDDEN}@{place}")?,
        None => f.write_str(rest)?,
    }
    for (number, parameter) in parameters.into_iter().flat_map(|all| all.split('&')).enumerate() {
        f.write_str(if number == 0 { "?" } else { "&" })?;
        match parameter.split_once('=') {
            Some((name, _)) if !SHOWN_PARAMETERS.contains(&name) => write!(f, "{name}={HIDDEN}")?,
            _ => f.write_str(parameter)?,
        }
    }
    Ok(())
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for StoreUrl {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_never_shown() {
        for (url, shown) in [
            ("postgres://ada:secret@db:5432/nimaora", "postgres://ada:<hidden>@db:5432/nimaora"),
            ("postgres://ada@db/nimaora?sslmode=require", "postgres://ada@db/nimaora?sslmode=require"),
            ("postgres://db/nimaora?password=secret", "postgres://db/nimaora?password=<hidden>"),
            ("redis://:s@cret@cache:6379", "redis://:<hidden>@cache:6379"),
            ("redis://cache/0?password=secret&x", "redis://cache/0?password=<hidden>&x"),
            ("redis+cluster://ada:s,e,cret@a:1,b:2", "redis+cluster://ada:<hidden>@a:1,b:2"),
            ("redis+sentinel://a:1,u:secret@b:2/m", "redis+sentinel://a:<hidden>@b:2/m"),
            (
                "nats://a:b@one:4222,nats://a:b@two:4222",
                "nats://a:<hidden>@one:4222,nats://a:<hidden>@two:4222",
            ),
            ("nats://secret@one:4222", "nats://<hidden>@one:4222"),
            ("nats://one:4222", "nats://one:4222"),
            (
                "redis+sentinel://:a@one:1,two/main?sentinel_password=s@cret,s&sentinel_user=bob",
                "redis+sentinel://:<hidden>@one:1,two/main?sentinel_password=<hidden>&sentinel_user=bob",
            ),
            ("kurrentdb://node:s@cret@a:1,b:2?tls=false", "kurrentdb://node:<hidden>@a:1,b:2?tls=false"),
            ("memory:", "memory:"),
        ] {
            assert_eq!(StoreUrl::from(url).to_string(), shown);
            assert!(!format!("{:?}", StoreUrl::from(url)).contains("s@cret"));
        }
    }

    #[test]
    fn what_can_be_used_has_no_flaw() {
        for url in [
            "memory:",
            "nats://one:4222,tls://secret@two:4222",
            "nats://ada:x@[::1]:4222/",
            "postgres://ada:x@db:5432/nimaora?sslmode=require",
            "postgresql://db/nimaora",
            "redis://:x@cache:6379",
            "rediss://ada:x@cache/2",
            "redis+cluster://ada:x@a:1,b:2",
            "rediss+sentinel://ada:x@a:1,b,[::1]:3/main/2",
            "redis+sentinel://a:1,b/main?sentinel_user=bob&sentinel_password=x@y",
            "kurrentdb://node:x@a:2113,b:2113?tls=false",
            "kurrentdb+discover://a:2113",
        ] {
            assert_eq!(StoreUrl::from(url).flaw(), None, "{url}");
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_password() {
        for (url, flaw) in [
            ("memory:secret", "nothing may follow the colon"),
            ("nats://127.0.0.1:99999", "invalid port number"),
            ("nats://one:4222,two:4222", "invalid port number"),
            ("nats://one:4222,http://two:4222", "begins with nats://"),
            ("nats://u:secret@", "empty host"),
            ("nats://one/secret", "nothing may follow the port"),
            ("postgres://u:secret@db:x/nimaora", "cannot be read"),
            ("postgres://db/nimaora?password=secret", "unknown parameter 'password'"),
            ("redis://cache/secret", "no number of a database"),
            ("redis://cache/?password=secret", "nothing may follow a ?"),
            ("redis+cluster://u:secret@a:1,v:secret@b:1", "user and password once"),
            ("redis+sentinel://a:1,u:secret@b:2/m", "user and password once"),
            ("redis+sentinel://:secret@a:1,b:2", "name of the master"),
            ("redis+sentinel://:secret@a:1,b:x/m", "invalid port number"),
            ("redis+sentinel://a:1/m?password=secret", "sentinel_user and sentinel_password"),
            ("kurrentdb://node:secret@a:1,b:x?tls=false", "invalid port number"),
        ] {
            let found = StoreUrl::from(url).flaw().unwrap_or_default();
            assert!(found.contains(flaw) && !found.contains("secret"), "{url}: '{found}'");
        }
    }
}
