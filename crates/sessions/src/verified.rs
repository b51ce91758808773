//! Tokens whose signature was found good, so that it is computed once for each and not on every request.
//!
//! Found by the whole token, never by a part or a digest of it: a hit means that these very bytes were checked.

use std::collections::HashMap;

use ahash::RandomState;
use parking_lot::Mutex;

use crate::token::Claims;

/// Enough that two cores seldom meet on one lock.
const SHARDS: usize = 16;
/// How many tokens a shard takes into its younger generation. When it is full, the younger generation becomes the older
/// one and the older one is dropped; tokens in use move back at their next request, the others are checked anew.
/// 16 shards of 2 generations hold at most 65,536 tokens, about 30 MB.
const GENERATION_TOKENS_MAX: usize = 2_048;

type Tokens = HashMap<Box<str>, Claims, RandomState>;

#[derive(Default)]
struct Shard {
    younger: Tokens,
    older: Tokens,
}

/// A bounded memory of good tokens.
pub(crate) struct VerifiedTokens {
    /// Keyed at random, so that nobody can choose tokens that meet in one shard.
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

impl Default for VerifiedTokens {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl VerifiedTokens {
    /// What the token says, if it was found good before.
    pub(crate) fn get(&self, token: &str) -> Option<Claims> {
        let mut shard = self.shard(token).lock();
        if let Some(claims) = shard.younger.get(token) {
            return Some(*claims);
        }
        let (token, claims) = shard.older.remove_entry(token)?;
        shard.insert(token, claims);
        Some(claims)
    }

    /// Remembers a token that was found good.
    pub(crate) fn insert(&self, token: &str, claims: Claims) {
        self.shard(token).lock().insert(token.into(), claims);
    }

    fn shard(&self, token: &str) -> &Mutex<Shard> {
        // The signature stands at the end and differs between any two tokens; its last bytes are enough to spread them.
        let bytes = token.as_bytes();
        let tail = &bytes[bytes.len().saturating_sub(16)..];
        let hash = self.hasher.hash_one(tail);
        &self.shards[(hash % SHARDS as u64) as usize]
    }
}

impl Shard {
    fn insert(&mut self, token: Box<str>, claims: Claims) {
        if self.younger.len() >= GENERATION_TOKENS_MAX {
            self.older = std::mem::take(&mut self.younger);
        }
        self.younger.insert(token, claims);
    }
}

#[cfg(test)]
mod tests {
    use nimaora_domain::Timestamp;

    use super::*;
    use crate::token::Role;

    fn claims(n: i64) -> Claims {
        Claims { role: Role::Admin, expires_at: Timestamp::from_millis(n) }
    }

    #[test]
    fn what_is_in_use_stays_and_the_rest_makes_room() {
        let tokens = VerifiedTokens::default();
        let in_use = "in use";
        tokens.insert(in_use, claims(1));
        let many = 4 * SHARDS * GENERATION_TOKENS_MAX;
        for n in 0..many {
            tokens.insert(&n.to_string(), claims(2));
            assert_eq!(tokens.get(in_use), Some(claims(1)));
        }
        let held: usize = tokens
            .shards
            .iter()
            .map(|shard| {
                let shard = shard.lock();
                shard.younger.len() + shard.older.len()
            })
            .sum();
        assert!(held <= 2 * SHARDS * GENERATION_TOKENS_MAX, "{held} tokens are held");
        assert_eq!(tokens.get("never seen"), None);
    }
}
