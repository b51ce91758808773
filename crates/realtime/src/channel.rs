//! The names of the channels that are served here.

use std::fmt;
use std::sync::Arc;

use nimaora_domain::{BattleId, ParticipantId};

use crate::error::Refusal;

const BATTLE: &str = "battle.";
const PARTICIPANT: &str = "private-participant.";
const BATTLE_PRESENCE: &str = "presence-battle.";
/// Prefixes that the protocol gives a meaning of its own which is not served here.
const UNSUPPORTED: [&str; 5] = ["presence-", "private-", "cache-", "encrypted-", "#server-to-user-"];

/// A channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Channel {
    /// `battle.{id}`: the board and the battle's course, for everybody.
    Battle(BattleId),
    /// `private-participant.{id}`: what happens to one participant, for itself only.
    Participant(ParticipantId),
    /// Any other.
    Named(Name),
}

/// A channel that is no battle's board and no participant's own.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    text: Arc<str>,
    battle_id: Option<BattleId>,
}

impl Channel {
    /// The channel of this name. Ids count in their canonical form only, so that a channel has one name.
    pub(crate) fn parse(name: &str) -> Result<Self, Refusal> {
        let channel = if let Some(id) = name.strip_prefix(BATTLE) {
            Self::Battle(id.parse().map_err(|_| Refusal::UnknownChannel)?)
        } else if let Some(id) = name.strip_prefix(PARTICIPANT) {
            Self::Participant(id.parse().map_err(|_| Refusal::UnknownChannel)?)
        } else if let Some(id) = name.strip_prefix(BATTLE_PRESENCE) {
            Self::Named(Name::of_battle(id.parse().map_err(|_| Refusal::UnknownChannel)?))
        } else if UNSUPPORTED.iter().any(|prefix| name.starts_with(prefix)) {
            return Err(Refusal::UnsupportedChannel);
        } else {
            return Err(Refusal::UnknownChannel);
        };
        if channel.to_string() == name { Ok(channel) } else { Err(Refusal::UnknownChannel) }
    }
}

impl Name {
    /// `presence-battle.{id}`: who of a battle is online.
    pub(crate) fn of_battle(battle_id: BattleId) -> Self {
        Self { text: format!("{BATTLE_PRESENCE}{battle_id}").into(), battle_id: Some(battle_id) }
    }

    /// The name itself.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether its sockets are members that are told of each other.
    pub(crate) fn is_presence(&self) -> bool {
        self.text.starts_with("presence-")
    }

    /// The battle whose participants are its members, if it is that kind.
    pub(crate) fn battle_id(&self) -> Option<BattleId> {
        self.battle_id
    }
}

impl fmt::Display for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Battle(id) => write!(f, "{BATTLE}{id}"),
            Self::Participant(id) => write!(f, "{PARTICIPANT}{id}"),
            Self::Named(name) => f.write_str(&name.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "0190163d-8694-739b-aea5-966c26f8ad91";

    #[test]
    fn a_channel_is_written_as_it_is_read() {
        for name in
            [format!("battle.{ID}"), format!("private-participant.{ID}"), format!("presence-battle.{ID}")]
        {
            assert_eq!(Channel::parse(&name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_spellings_are_no_channel() {
        for id in
            [ID.to_uppercase(), ID.replace('-', ""), format!("{{{ID}}}"), String::new(), format!("{ID}\n")]
        {
            for kind in [BATTLE, PARTICIPANT, BATTLE_PRESENCE] {
                assert_eq!(Channel::parse(&format!("{kind}{id}")), Err(Refusal::UnknownChannel), "{id}");
            }
        }
        assert_eq!(Channel::parse("chat"), Err(Refusal::UnknownChannel));
    }

    #[test]
    fn other_kinds_are_named_as_such() {
        for name in ["presence-1", "private-chat", "cache-x", "private-encrypted-x", "presence-cache-x"] {
            assert_eq!(Channel::parse(name), Err(Refusal::UnsupportedChannel), "{name}");
        }
    }
}
