//! What a URL asks for.

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisError};

/// The schemes of URLs that can be used.
pub const SCHEMES: [&str; 6] =
    ["redis", "rediss", "redis+cluster", "rediss+cluster", "redis+sentinel", "rediss+sentinel"];

/// Where a sentinel listens unless the URL says otherwise.
const SENTINEL_PORT: u16 = 26_379;

/// Why a URL is not one of a Redis that can be used. Never shows the URL, which may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// It begins otherwise.
    #[error("the URL begins with none of {}://", SCHEMES.join("://, "))]
    Scheme,
    /// The rest is not what it should be.
    #[error(
        "the URL is not of the form SCHEME://[user:password@]host:port[/db], with several host:port for a cluster, or \
         SCHEME://[user:password@]host:port,host:port/name-of-the-master[/db][?sentinel_user=USER&sentinel_password=PASSWORD] \
         for sentinels: {reason}"
    )]
    Form {
        /// What is wrong.
        reason: String,
    },
}

impl From<RedisError> for UrlError {
    /// The client's own words, without the URL.
    fn from(error: RedisError) -> Self {
        Self::Form { reason: error.category().to_owned() }
    }
}

/// What a URL names.
#[derive(Debug)]
pub(crate) enum Target {
    /// One server.
    One(String),
    /// A cluster, known by some of its nodes.
    Cluster(Vec<String>),
    /// A master, known to some sentinels.
    Sentinel(Box<SentinelTarget>),
}

/// A master, known to some sentinels.
#[derive(Debug)]
pub(crate) struct SentinelTarget {
    pub(crate) sentinels: Vec<ConnectionAddr>,
    /// What the sentinels call it.
    pub(crate) name: String,
    /// How to log in to it.
    pub(crate) server: ConnectionInfo,
    /// How to log in to the sentinels.
    pub(crate) login: ConnectionInfo,
    pub(crate) is_tls: bool,
}

impl Target {
    pub(crate) fn parse(url: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = url.split_once("://").ok_or(UrlError::Scheme)?;
        match scheme {
            "redis" | "rediss" => Ok(Self::One(url.to_owned())),
            "redis+cluster" => Ok(Self::Cluster(nodes("redis", rest))),
            "rediss+cluster" => Ok(Self::Cluster(nodes("rediss", rest))),
            "redis+sentinel" => sentinels("redis", rest).map(Box::new).map(Self::Sentinel),
            "rediss+sentinel" => sentinels("rediss", rest).map(Box::new).map(Self::Sentinel),
            _ => Err(UrlError::Scheme),
        }
    }
}

/// Who logs in, with the sign after it, and where.
fn user_and_hosts(rest: &str) -> (&str, &str) {
    rest.rfind('@').map_or(("", rest), |at| rest.split_at(at + 1))
}

/// The URL of each node; all with the same user and password.
fn nodes(scheme: &str, rest: &str) -> Vec<String> {
    let (user, hosts) = user_and_hosts(rest);
    hosts.split(',').map(|host| format!("{scheme}://{user}{host}")).collect()
}

fn sentinels(scheme: &str, rest: &str) -> Result<SentinelTarget, UrlError> {
    let (user, rest) = user_and_hosts(rest);
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (name, db) = path.split_once('/').unwrap_or((path, ""));
    if name.is_empty() {
        return Err(UrlError::Form { reason: "the name of the master is missing".to_owned() });
    }
    let address = |host: &str| {
        let url = format!("{scheme}://{host}");
        let has_port = host.rsplit_once(':').is_some_and(|(_, port)| !port.ends_with(']'));
        let url = if has_port { url } else { format!("{url}:{SENTINEL_PORT}") };
        Ok(url.into_connection_info()?.addr().clone())
    };
    let sentinels = hosts.split(',').map(address).collect::<Result<_, UrlError>>()?;
    // The host is another one each time, and stands here for those that the sentinels name.
    let server = format!("{scheme}://{user}master/{db}").into_connection_info()?;
    let login = sentinel_login(scheme, parameters)?;
    Ok(SentinelTarget { sentinels, name: name.to_owned(), server, login, is_tls: scheme == "rediss" })
}

/// How to log in to the sentinels, from what stands behind the question mark.
fn sentinel_login(scheme: &str, parameters: &str) -> Result<ConnectionInfo, UrlError> {
    let (mut user, mut password) = ("", "");
    for parameter in parameters.split('&').filter(|parameter| !parameter.is_empty()) {
        match parameter.split_once('=') {
            Some(("sentinel_user", value)) => user = value,
            Some(("sentinel_password", value)) => password = value,
            _ => {
                let reason = "what stands behind the question mark is unknown".to_owned();
                return Err(UrlError::Form { reason });
            }
        }
    }
    let login = if password.is_empty() { String::new() } else { format!("{user}:{password}@") };
    Ok(format!("{scheme}://{login}sentinel").into_connection_info()?)
}

#[cfg(test)]
#[allow(clippy::panic, reason = "a suite of assertions")]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_used_is_refused_and_never_shown() {
        let bad = [
            "secret",
            "http://secret@a",
            "redis+sentinel://:secret@a:1,b:2",
            "redis+sentinel://:secret@a:b/main",
            "redis+sentinel://:secret@a:1/main/secret",
            "redis+sentinel://:secret@/main",
            "redis+sentinel://a:1/main?password=secret",
            "redis+sentinel://a:1/main?sentinel_password=secret/s",
        ];
        for url in bad {
            match Target::parse(url) {
                Ok(target) => panic!("{url}: {target:?}"),
                Err(error) => assert!(!error.to_string().contains("secret"), "{error}"),
            }
        }
    }

    #[test]
    fn sentinels_and_what_they_call_the_master() {
        let Ok(Target::Sentinel(target)) = Target::parse("rediss+sentinel://ada:s@cret@a:1,b,[::1]:3/main/2")
        else {
            panic!("it is refused")
        };
        let hosts: Vec<_> = target.sentinels.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["a:1", "b:26379", "::1:3"]);
        let server = target.server.redis_settings();
        assert_eq!((target.name.as_str(), server.db(), target.is_tls), ("main", 2, true));
        assert_eq!((server.username(), server.password()), (Some("ada"), Some("s@cret")));
    }

    #[test]
    fn sentinels_have_a_password_of_their_own() {
        for (parameters, user, password) in [
            ("", None, None),
            ("?sentinel_password=x%40y", None, Some("x@y")),
            ("?sentinel_user=bob&sentinel_password=x", Some("bob"), Some("x")),
        ] {
            let url = format!("redis+sentinel://:s@cret@a:1/main{parameters}");
            let Ok(Target::Sentinel(target)) = Target::parse(&url) else { panic!("{url} is refused") };
            let login = target.login.redis_settings();
            assert_eq!((login.username(), login.password()), (user, password), "{url}");
            assert_eq!(
                (target.name.as_str(), target.server.redis_settings().password()),
                ("main", Some("s@cret"))
            );
        }
    }

    #[test]
    fn all_nodes_of_a_cluster_have_the_same_user() {
        let Ok(Target::Cluster(nodes)) = Target::parse("redis+cluster://ada:x@a:1,b:2") else {
            panic!("it is refused")
        };
        assert_eq!(nodes, ["redis://ada:x@a:1", "redis://ada:x@b:2"]);
    }
}
