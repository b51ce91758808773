//! A log with battles in it, a projection that follows it, and what it projects to.
#![allow(unreachable_pub, reason = "a test program exports nothing")]

mod arena;
mod bus;
mod forgetful;
mod healed;
mod log;
mod server;

pub use arena::Arena;
pub use bus::RecordingBus;
pub use forgetful::Forgetful;
pub use healed::Healed;
pub use log::DeadlyLog;
pub use server::{Server, World};

use std::future::Future;
use std::time::Duration;

/// Long enough for any healthy machine; a test that waits this long has failed.
const PATIENCE: Duration = Duration::from_secs(60);

/// What comes in time.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, what).await.expect("it takes too long")
}

/// Asks again and again until the answer is yes.
pub async fn eventually<F: Future<Output = bool>>(mut ask: impl FnMut() -> F) {
    soon(async {
        while !ask().await {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}
