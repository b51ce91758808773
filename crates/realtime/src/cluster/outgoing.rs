//! What waits to be said to the other nodes.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::message::{Say, Word};
use crate::bounded::{self, Weighed};

/// Messages that wait for the relay. When it is reached, one is dropped; the others notice, and ask.
const MESSAGES_MAX: usize = 16_384;
/// Bytes of them, about. When it is reached, one is dropped as well.
const BYTES_MAX: usize = 32 * 1024 * 1024;
/// What every message takes: its place, an id, a name or two.
const MESSAGE_BYTES: usize = 256;
/// What a text takes besides its bytes.
const TEXT_BYTES: usize = 16;

/// Something to be said.
pub(crate) enum Words {
    /// It is nobody's loss for long.
    Of(Say),
    /// Somebody waits until the relay has all of it. Who does not wait any more has been told that it was not said.
    Told(Vec<Say>, oneshot::Sender<()>),
}

pub(crate) type Outgoing = bounded::Receiver<Words>;

pub(super) fn outgoing() -> (bounded::Sender<Words>, Outgoing) {
    bounded::queue(MESSAGES_MAX, BYTES_MAX)
}

impl Weighed for Words {
    fn bytes(&self) -> usize {
        match self {
            Self::Of(say) => say.bytes(),
            Self::Told(says, _) => says.iter().map(Weighed::bytes).sum(),
        }
    }
}

impl Weighed for Say {
    fn bytes(&self) -> usize {
        let texts = |texts: &[Arc<str>]| texts.iter().map(|text| text.len() + TEXT_BYTES).sum::<usize>();
        let more: usize = match self {
            Self::Here(here) => {
                here.members.iter().map(|(id, info)| id.len() + info.len() + 2 * TEXT_BYTES).sum()
            }
            Self::Came { user_id, info, .. } => user_id.len() + info.len(),
            Self::Event(event) | Self::Last(event) => event.bytes(),
            Self::Tell { channels, .. } => {
                channels.iter().map(|(name, state)| MESSAGE_BYTES + name.len() + texts(&state.users)).sum()
            }
            Self::Stands { channels } => channels.len() * MESSAGE_BYTES,
            Self::Whereabouts { word: Word::Whole(whole), .. } => texts(&whole.keys),
            Self::Whereabouts { .. }
            | Self::Alive { .. }
            | Self::Stopping
            | Self::Who { .. }
            | Self::Went { .. }
            | Self::Count { .. }
            | Self::Compare
            | Self::Done { .. }
            | Self::Terminate { .. }
            | Self::Ask { .. } => 0,
        };
        MESSAGE_BYTES + more
    }
}
