//! Settings of the log in KurrentDB, and its fixed limits.

use std::path::Path;

use kurrentdb::ClientSettings;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;

use super::error::KurrentDbError;

/// Settings of a log in KurrentDB.
#[derive(Clone)]
pub struct KurrentDbConfig {
    /// The connection string, as every client of KurrentDB takes it: `kurrentdb://USER:PASSWORD@HOST:PORT`, several hosts with commas,
    /// or `kurrentdb+discover://` for a name that stands for the cluster. It may hold a password, and is never shown.
    pub url: String,
    /// What an append may take, in milliseconds. After that its outcome is unknown.
    pub append_timeout_ms: u64,
    /// What a read may take, in milliseconds. After that it is `Unavailable`.
    pub read_timeout_ms: u64,
    /// What connecting may take, in milliseconds.
    pub connect_timeout_ms: u64,
}

/// One try of an append; there may be several within the deadline, because the server knows a repeat by its ids.
pub(super) const TRY_TIMEOUT_MS: u64 = 4_000;
/// Events that the server looks at before it tells a filtered subscription how far it is.
pub(super) const CHECKPOINT_EVENTS: u32 = 4_096;
/// Events that wait for a slow subscriber; of battles they have about a kilobyte each. When it is reached, nothing more is read from the
/// connection, and the server waits.
pub(super) const WAITING_EVENTS_MAX: usize = 2_048;
/// What the server takes in one append unless its `MaxAppendSize` is raised, in bytes. Groups are cut to that.
pub(super) const SERVER_APPEND_BYTES: usize = 1024 * 1024;
/// Locks by which appends to one stream come one after another. Streams that share one wait for each other.
pub(super) const STREAM_LOCKS: usize = 1_024;

impl KurrentDbConfig {
    /// The defaults, with this connection string.
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            append_timeout_ms: 10_000,
            read_timeout_ms: 10_000,
            connect_timeout_ms: 10_000,
        }
    }

    /// The client's settings, and whether they are about a cluster.
    pub(super) fn settings(&self) -> Result<(ClientSettings, bool), KurrentDbError> {
        let wrong = |reason: String| KurrentDbError::Config { reason };
        let settings: ClientSettings = self.url.parse().map_err(|_| {
            // The client's own words would show the password.
            wrong("a connection string is kurrentdb://[user:password@]host[:port][,host...][?setting=value&...]".into())
        })?;
        if settings.hosts().is_empty() {
            return Err(wrong("the connection string names no host".into()));
        }
        if let Some(file) = settings.tls_ca_file().filter(|_| settings.is_secure_mode_enabled()) {
            check_certificates(Path::new(file))
                .map_err(|reason| wrong(format!("tlsCaFile {file}: {reason}")))?;
        }
        let cluster = settings.is_dns_discovery_enabled() || settings.hosts().len() > 1;
        Ok((settings, cluster))
    }
}

/// The client takes for granted that the file is what it must be.
fn check_certificates(file: &Path) -> Result<(), String> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    match read {
        Ok(certificates) if certificates.is_empty() => Err("it holds no certificate".into()),
        Ok(_) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

impl std::fmt::Debug for KurrentDbConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KurrentDbConfig")
            .field("append_timeout_ms", &self.append_timeout_ms)
            .field("read_timeout_ms", &self.read_timeout_ms)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(url: &str) -> String {
        KurrentDbConfig::new(url).settings().unwrap_err().to_string()
    }

    #[test]
    fn a_wrong_connection_string_is_refused_without_its_password() {
        for url in [
            "kurrentdb://node:s3cret@:x",
            "mysql://node:s3cret@db",
            "kurrentdb://node:s3cret@a:1,b:y",
            "s3cret",
        ] {
            let reason = reason(url);
            assert!(reason.contains("kurrentdb://[user:password@]host"), "{reason}");
            assert!(!reason.contains("s3cret"), "{reason}");
        }
    }

    #[test]
    fn several_hosts_or_a_name_for_all_are_a_cluster() {
        for (url, cluster) in [
            ("kurrentdb://a:2113?tls=false", false),
            ("esdb://a", false),
            ("kurrentdb://a:2113,b:2113,c:2113", true),
            ("kurrentdb+discover://all:2113", true),
        ] {
            assert_eq!(KurrentDbConfig::new(url).settings().unwrap().1, cluster, "{url}");
        }
    }

    #[test]
    fn certificates_that_are_none_are_refused_before_the_client_sees_them() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("ca.pem");
        std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n").unwrap();
        for file in [file, dir.path().join("missing.pem")] {
            let found = reason(&format!("kurrentdb://a:2113?tlsCaFile={}", file.display()));
            assert!(found.contains("tlsCaFile"), "{found}");
        }
    }
}
