//! Puts events in the log that no service of this version would.

use nimaora_domain::{BattleId, CommandId, Event, Timestamp, codec};
use nimaora_event_log::{Append, ChainHead, Direction, Envelope, EventLog, Expected, envelope};

use super::Server;

impl Server {
    /// Appends an event to a battle of which nobody else writes, as if `command_id` had been used for it.
    pub(crate) async fn plant(&self, battle_id: BattleId, command_id: CommandId, event: &Event) {
        let stream = battle_id.stream();
        let events = self.embedded.read_stream(&stream, 0, Direction::Forwards, 1_000).await.unwrap();
        let mut chain = ChainHead::default();
        for event in &events {
            envelope::open(event, &mut chain).unwrap();
        }
        let envelope = Envelope {
            command_id,
            correlation_id: command_id.0,
            causation_id: command_id.0,
            actor: "guest".to_owned(),
            time: Timestamp::from_millis(self.clock.now_ms()),
            traceparent: None,
        };
        let revision = events.len() as u64;
        let codec::Encoded { event_type, data, .. } = codec::encode(event);
        let event_id = command_id.event_id(0);
        let sealed = envelope::seal(&stream, revision, event_id, event_type, data, &envelope, &mut chain);
        let append =
            Append { stream: stream.into(), expected: Expected::Exact(revision - 1), events: vec![sealed] };
        self.embedded.append(append).await.unwrap();
    }
}
