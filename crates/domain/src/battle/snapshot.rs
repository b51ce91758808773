//! A battle as a snapshot: what must be kept of the state so that replay can begin behind it.
//!
//! A snapshot is a cache. One that an older or newer program wrote is refused by its format number, and the
//! state is folded from the log instead.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::battle::{Battle, Core, Index};

/// Grows with every change to what a snapshot holds, or to what its fields mean.
const FORMAT: u32 = 1;

impl Serialize for Battle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (FORMAT, &self.core).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Battle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (format, core) = <(u32, Core)>::deserialize(deserializer)?;
        if format != FORMAT {
            let error = format!("the snapshot has format {format}, and this program reads {FORMAT}");
            return Err(serde::de::Error::custom(error));
        }
        let mut index = Index::default();
        for (place, participant) in core.participants.iter().enumerate() {
            index.add(participant, place);
        }
        Ok(Self { core, index })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::*;
    use crate::{Command, Username};

    #[test]
    fn a_battle_goes_on_from_its_snapshot_as_if_nothing_had_been() {
        let battle = given(duel()).with_id(5).when(attack(ADA, BOB)).accepted().battle;
        let json = serde_json::to_vec(&battle).unwrap();
        let restored: Battle = serde_json::from_slice(&json).unwrap();
        assert_eq!(restored, battle);
        assert!(restored.is_taken(&Username::new("ADA").unwrap()));
        assert_eq!(restored.answered(command_id(5), Some(ADA)), Some(4));
        let ada = battle.participant(ADA).unwrap();
        assert_eq!(restored.answered(ada.join_command, None), Some(1));
    }

    #[test]
    fn a_battle_without_events_has_a_snapshot_too() {
        let json = serde_json::to_vec(&Battle::default()).unwrap();
        assert_eq!(serde_json::from_slice::<Battle>(&json).unwrap(), Battle::default());
    }

    #[test]
    fn a_snapshot_of_another_format_is_refused() {
        let json = serde_json::to_string(&given(duel()).battle).unwrap();
        let newer = json.replacen("[1,", "[2,", 1);
        let error = serde_json::from_str::<Battle>(&newer).unwrap_err().to_string();
        assert!(error.contains("format 2"), "{error}");
        let kind = given([created()]).with_id(5).when(Command::StartBattle).accepted().battle;
        let unknown = serde_json::to_string(&kind).unwrap().replacen(",1,1]", ",1,99]", 1);
        let error = serde_json::from_str::<Battle>(&unknown).unwrap_err().to_string();
        assert!(error.contains("99 is no kind of command"), "{error}");
    }
}
