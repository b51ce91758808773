//! Minting ids, and the ids that follow from others.

use nimaora_domain::{BattleId, CommandId};
use sha2::{Digest, Sha256};
use uuid::{NoContext, Uuid};

/// A UUIDv7 of this time (milliseconds since the Unix epoch), the rest of it random.
pub(crate) fn mint(now_ms: i64) -> Uuid {
    let now_ms = u64::try_from(now_ms).unwrap_or(0);
    let nanos = (now_ms % 1_000) as u32 * 1_000_000;
    Uuid::new_v7(uuid::Timestamp::from_unix(NoContext, now_ms / 1_000, nanos))
}

/// Crockford's base 32: no letter that is taken for a digit, and no U.
const JOIN_CODE_ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// The short code that people type to find a battle: 8 characters, 40 bits of the hash of its id. It follows from the id, so
/// that a repeated creation asks for the same one.
pub(crate) fn join_code(battle_id: BattleId) -> String {
    let digest = Sha256::digest(battle_id.0.as_bytes());
    let bits = digest.iter().take(5).fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    (0..8).rev().map(|n| char::from(JOIN_CODE_ALPHABET[(bits >> (5 * n)) as usize & 31])).collect()
}

/// The command that a battle's schedule gives; the same one on every node and after every restart, so that it is carried out
/// once. Anybody can work it out from the battle's id, so it is one that no client may use.
pub(crate) fn scheduled(battle_id: BattleId, what: &str) -> CommandId {
    let digest = Sha256::new().chain_update(battle_id.0).chain_update(what).finalize();
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    CommandId::of_system(bytes)
}

/// The id of a command of the system that nobody will repeat, of this time.
pub(crate) fn mint_command(now_ms: i64) -> CommandId {
    CommandId::of_system(mint(now_ms).into_bytes())
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_minted_id_is_of_its_time_and_never_the_same() {
        let ids: HashSet<_> = (0..1_000).map(|_| mint(1_795_484_834_123)).collect();
        assert_eq!(ids.len(), 1_000);
        for id in ids {
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_timestamp().unwrap().to_unix(), (1_795_484_834, 123_000_000));
        }
    }

    #[test]
    fn a_join_code_follows_from_the_battle() {
        let battle_id = BattleId(Uuid::from_u128(1));
        let code = join_code(battle_id);
        assert_eq!(code.len(), 8);
        assert!(code.bytes().all(|byte| JOIN_CODE_ALPHABET.contains(&byte)), "{code}");
        assert_eq!(join_code(battle_id), code);
        assert_ne!(join_code(BattleId(Uuid::from_u128(2))), code);
    }

    #[test]
    fn a_schedule_gives_each_command_once() {
        let battle_id = BattleId(Uuid::from_u128(1));
        assert_eq!(scheduled(battle_id, "start"), scheduled(battle_id, "start"));
        assert_ne!(scheduled(battle_id, "start"), scheduled(battle_id, "end"));
        assert_ne!(scheduled(battle_id, "start"), scheduled(BattleId(Uuid::from_u128(2)), "start"));
        // Nodes of two versions may look after the same battle.
        assert_eq!(scheduled(battle_id, "start").to_string(), "47652b9c-878b-89c8-a97d-a324274fb31f");
    }

    #[test]
    fn no_client_may_use_the_ids_of_the_system() {
        let battle_id = BattleId(Uuid::from_u128(1));
        for command_id in [scheduled(battle_id, "start"), mint_command(0), mint_command(i64::MAX)] {
            assert!(command_id.is_of_system(), "{command_id}");
        }
        assert_ne!(mint_command(0), mint_command(0));
        for id in [Uuid::new_v4(), Uuid::now_v7(), Uuid::new_v5(&battle_id.0, b"start"), Uuid::from_u128(1)] {
            assert!(!CommandId(id).is_of_system(), "{id}");
        }
    }
}
