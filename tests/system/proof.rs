//! `nimaora audit verify` on a cluster that runs.

use std::path::Path;

use tokio::process::Command;
use tokio::time::timeout;

use crate::server::{BINARY, PATIENCE};

/// Audits until nothing differs, and answers what it said. A board that was lost may still be on its way back, so it is asked again.
pub async fn clean_audit(settings: &Path, data_dir: &Path) -> String {
    let mut said = String::new();
    let clean = async {
        loop {
            let mut audit = Command::new(BINARY);
            audit.args(["audit", "verify", "--config"]).arg(settings).arg("--data-dir").arg(data_dir);
            let output = audit.kill_on_drop(true).output().await.unwrap();
            said = String::from_utf8_lossy(&output.stdout).into_owned()
                + &String::from_utf8_lossy(&output.stderr);
            if output.status.success() {
                return;
            }
        }
    };
    let clean = timeout(PATIENCE, clean).await;
    assert!(clean.is_ok() && said.starts_with("CLEAN"), "{said}");
    said
}
