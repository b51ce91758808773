//! What the server under load uses, as its own metrics tell it.

use super::targets::{Targets, authority};
use crate::client::HttpError;
use crate::client::metrics::{self, metric};

/// What the server has used since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct ServerUsage {
    pub(super) cpu_seconds: f64,
    pub(super) rss_bytes: u64,
}

impl ServerUsage {
    /// The sum over all servers of a cluster; one that does not answer now counts for nothing, unless none does.
    pub(super) async fn of_all(targets: &Targets) -> Result<Self, HttpError> {
        let (mut sum, mut answered, mut failed) = (Self::default(), false, None);
        for target in targets.all() {
            match Self::ask(authority(target)).await {
                Ok(usage) => {
                    answered = true;
                    sum.cpu_seconds += usage.cpu_seconds;
                    sum.rss_bytes += usage.rss_bytes;
                }
                Err(error) => failed = Some(error),
            }
        }
        match failed {
            Some(error) if !answered => Err(error),
            Some(_) | None => Ok(sum),
        }
    }

    /// Reads it from the server's metrics; what they do not say is 0.
    async fn ask(authority: &str) -> Result<Self, HttpError> {
        let text = metrics::read(authority).await?;
        Ok(Self {
            cpu_seconds: metric(&text, "process_cpu_seconds_total").unwrap_or(0.0),
            rss_bytes: metric(&text, "process_resident_memory_bytes").unwrap_or(0.0) as u64,
        })
    }

    /// The processor time since `before`. A server that was started again since counts from 0.
    pub(super) fn cpu_seconds_since(self, before: Self) -> f64 {
        if self.cpu_seconds >= before.cpu_seconds {
            self.cpu_seconds - before.cpu_seconds
        } else {
            self.cpu_seconds
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restarted_server_counts_from_zero() {
        let usage = |cpu_seconds| ServerUsage { cpu_seconds, rss_bytes: 0 };
        assert_eq!(usage(5.0).cpu_seconds_since(usage(2.0)), 3.0);
        assert_eq!(usage(1.0).cpu_seconds_since(usage(2.0)), 1.0);
    }
}
