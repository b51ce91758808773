//! What the JetStream log promises, on real servers that the tests start.

mod contract;

use nimaora_runtime::Clock;

use super::{JetStreamConfig, JetStreamLog};
