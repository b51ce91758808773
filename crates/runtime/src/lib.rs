//! What every service starts with, and nothing else: clock, shutdown, health, secrets, telemetry, figures of the process.
//!
//! | module | what it holds |
//! |---|---|
//! | [`clock`] | [`Clock`]: the only place that reads the system's time |
//! | [`shutdown`] | [`Shutdown`]: asks every task to stop, and waits for them |
//! | [`health`] | [`Health`]: which parts are ready to serve |
//! | [`secrets`] | keys that are made at first start and kept with mode 0600 |
//! | [`telemetry`] | logs and the Prometheus registry |
//! | [`process`] | processor time, memory and files of this process |
//!
//! This crate knows no port and no service.

pub mod clock;
pub mod health;
pub mod process;
pub mod secrets;
pub mod shutdown;
pub mod telemetry;

pub use clock::Clock;
pub use health::Health;
pub use shutdown::Shutdown;
