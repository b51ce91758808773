//! Who somebody is and whether they are still there: signed tokens and presence.
//!
//! | module | what it holds |
//! |---|---|
//! | [`token`] | [`Claims`], [`TokenSigner`], [`TokenVerifier`]: ed25519, checked with public keys alone |
//! | `verified` | the bounded memory of tokens whose signature was found good |
//! | [`presence`] | the [`Presence`] port: when a participant was last heard of |
//! | [`memory`] | presence within one process |
//! | [`redis`] | presence in Redis, for several nodes |
//! | [`contract`] | the suite that every presence adapter passes |
//!
//! Nothing here knows the rules; whether a session is still the newest is for the battle to say.

pub mod contract;
pub mod memory;
pub mod presence;
pub mod redis;
pub mod token;
mod verified;

pub use self::redis::{RedisPresence, RedisPresenceConfig};
pub use memory::MemoryPresence;
pub use presence::{Presence, PresenceError};
pub use token::{Claims, Role, TokenError, TokenSigner, TokenVerifier, VerifyingKey};
