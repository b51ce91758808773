//! The names of the channels that are served here.

use std::fmt;
use std::sync::Arc;

use nimaora_domain::{BattleId, ParticipantId};

use crate::error::Refusal;

const BATTLE: &str = "battle.";
const PARTICIPANT: &str = "private-participant.";
const BATTLE_PRESENCE: &str = "presence-battle.";
const BATTLE_ATTACKS: &str = "attacks.battle.";
const USER: &str = "#server-to-user-";
const PRIVATE: &str = "private-";
const PRESENCE: &str = "presence-";
const ENCRYPTED: &str = "private-encrypted-";
const CACHE: &str = "cache-";

/// The longest name, in characters; what the server libraries take.
const NAME_CHARS_MAX: usize = 200;

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
    /// Whether what it tells is a battle's board or what happens to a participant.
    is_beside: bool,
}

impl Channel {
    /// The channel of this name. Ids count in their canonical form only, so that a channel has one name.
    pub(crate) fn parse(name: &str) -> Result<Self, Refusal> {
        let channel = if let Some(id) = name.strip_prefix(BATTLE) {
            Self::Battle(id.parse().map_err(|_| Refusal::UnknownChannel)?)
        } else if let Some(id) = name.strip_prefix(PARTICIPANT) {
            Self::Participant(id.parse().map_err(|_| Refusal::UnknownChannel)?)
        } else if let Some(id) = name.strip_prefix(BATTLE_PRESENCE) {
            Self::Named(Name::of_battle(BATTLE_PRESENCE, id.parse().map_err(|_| Refusal::UnknownChannel)?))
        } else if let Some(id) = name.strip_prefix(BATTLE_ATTACKS) {
            Self::Named(Name::of_battle(BATTLE_ATTACKS, id.parse().map_err(|_| Refusal::UnknownChannel)?))
        } else if is_name(name.strip_prefix('#').filter(|_| name.starts_with(USER)).unwrap_or(name)) {
            Self::Named(Name { text: name.into(), battle_id: None, is_beside: false })
        } else {
            return Err(Refusal::UnknownChannel);
        };
        if channel.to_string() == name { Ok(channel) } else { Err(Refusal::UnknownChannel) }
    }
}

impl Channel {
    /// Whether a channel of this kind can have a name that begins so.
    pub(crate) fn may_begin_with(&self, prefix: &str) -> bool {
        let kind = match self {
            Self::Battle(_) => BATTLE,
            Self::Participant(_) => PARTICIPANT,
            Self::Named(name) => &name.text,
        };
        kind.starts_with(prefix) || prefix.starts_with(kind)
    }
}

fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

impl Name {
    fn of_battle(kind: &str, battle_id: BattleId) -> Self {
        Self { text: format!("{kind}{battle_id}").into(), battle_id: Some(battle_id), is_beside: false }
    }

    /// `attacks.battle.{id}`: the attacks of a battle, for those who look on.
    pub(crate) fn attacks_of(battle_id: BattleId) -> Self {
        Self::of_battle(BATTLE_ATTACKS, battle_id)
    }

    /// A battle's board or a participant's own channel as one whose sockets are counted, beside what it tells.
    pub(crate) fn beside(channel: &Channel) -> Self {
        Self { text: channel.to_string().into(), battle_id: None, is_beside: true }
    }

    /// Whether its sockets are told by somebody else.
    pub(crate) fn is_beside(&self) -> bool {
        self.is_beside
    }

    /// The name itself.
    pub(crate) fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// Whether its sockets are members that are told of each other.
    pub(crate) fn is_presence(&self) -> bool {
        self.text.starts_with(PRESENCE)
    }

    /// Whether nobody listens without a signature.
    pub(crate) fn is_private(&self) -> bool {
        self.is_presence() || self.text.starts_with(PRIVATE)
    }

    /// Whether only the application and its clients can read what is said.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.text.starts_with(ENCRYPTED)
    }

    /// Whether its last event is kept for who comes later.
    pub(crate) fn keeps_last(&self) -> bool {
        // The longer prefix first.
        let kinds = [ENCRYPTED, PRIVATE, PRESENCE, ""];
        let rest = kinds.iter().find_map(|kind| self.text.strip_prefix(kind));
        rest.is_some_and(|rest| rest.starts_with(CACHE))
    }

    /// The user whose messages from the application it carries, if it is that kind.
    pub(crate) fn user_id(&self) -> Option<&str> {
        self.text.strip_prefix(USER)
    }

    /// The battle that it tells of, if it is that kind: of what happens there, and of nothing else.
    pub(crate) fn battle_id(&self) -> Option<BattleId> {
        self.battle_id
    }

    /// Whether clients may send events to each other.
    pub(crate) fn takes_client_events(&self) -> bool {
        self.is_private() && !self.is_encrypted() && self.battle_id.is_none()
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

    fn named(name: &str) -> Name {
        match Channel::parse(name).unwrap() {
            Channel::Named(name) => name,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_channel_is_written_as_it_is_read() {
        let battles = ["battle.", "private-participant.", "presence-battle.", "attacks.battle."]
            .map(|kind| kind.to_owned() + ID);
        let others =
            ["chat", "a_-=@,.;9", "private-encrypted-cache-x", "#server-to-user-7"].map(str::to_owned);
        for name in battles.into_iter().chain(others) {
            assert_eq!(Channel::parse(&name).unwrap().to_string(), name);
        }
    }

    #[test]
    fn other_spellings_are_no_channel() {
        for id in
            [ID.to_uppercase(), ID.replace('-', ""), format!("{{{ID}}}"), String::new(), format!("{ID}\n")]
        {
            for kind in [BATTLE, PARTICIPANT, BATTLE_PRESENCE, BATTLE_ATTACKS] {
                assert_eq!(Channel::parse(&format!("{kind}{id}")), Err(Refusal::UnknownChannel), "{id}");
            }
        }
        for name in ["", "a b", "a/b", "#chat", "ä", "a\n", &"x".repeat(201)] {
            assert_eq!(Channel::parse(name), Err(Refusal::UnknownChannel), "{name}");
        }
    }

    #[test]
    fn the_kind_is_in_the_name() {
        let kinds = |name: &str| {
            let name = named(name);
            (name.is_private(), name.is_presence(), name.is_encrypted(), name.keeps_last())
        };
        assert_eq!(kinds("chat"), (false, false, false, false));
        assert_eq!(kinds("cache-x"), (false, false, false, true));
        assert_eq!(kinds("private-x"), (true, false, false, false));
        assert_eq!(kinds("private-cache-x"), (true, false, false, true));
        assert_eq!(kinds("private-encrypted-x"), (true, false, true, false));
        assert_eq!(kinds("private-encrypted-cache-x"), (true, false, true, true));
        assert_eq!(kinds("presence-x"), (true, true, false, false));
        assert_eq!(kinds("presence-cache-x"), (true, true, false, true));
        assert_eq!(named("#server-to-user-7").user_id(), Some("7"));
        assert!(!named(&format!("presence-battle.{ID}")).takes_client_events());
        assert_eq!(kinds(&format!("attacks.battle.{ID}")), (false, false, false, false));
        assert!(named("presence-x").takes_client_events() && !named("chat").takes_client_events());
    }
}
