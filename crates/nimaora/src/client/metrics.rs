//! What a server tells of itself at `/metrics`, in Prometheus' text format.

use super::http::{self, HttpError};

/// All that it tells. `authority` is HOST:PORT.
///
/// # Errors
/// [`HttpError`].
pub async fn read(authority: &str) -> Result<String, HttpError> {
    let text = http::get(authority, "/metrics").await?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The value of a metric without labels in Prometheus' text format.
pub fn metric(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')))?;
    line[name.len()..].split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_found_by_its_whole_name() {
        let text = "# TYPE process_cpu_seconds_total counter\nprocess_cpu_seconds_total_more 9\n\
                    process_cpu_seconds_total 12.5\n";
        assert_eq!(metric(text, "process_cpu_seconds_total"), Some(12.5));
        assert_eq!(metric(text, "process_resident_memory_bytes"), None);
    }
}
