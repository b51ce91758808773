use bytes::Bytes;
use nimaora_domain::Event;
use nimaora_domain::event::BattleStarted;

use super::*;

fn envelope() -> Envelope {
    Envelope {
        command_id: CommandId(Uuid::from_u128(1)),
        correlation_id: Uuid::from_u128(2),
        causation_id: Uuid::from_u128(3),
        actor: "participant:00000000-0000-0000-0000-000000000004".into(),
        time: Timestamp::from_millis(1_795_484_834_120),
        traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
    }
}

fn record(revision: Revision, event: NewEvent) -> RecordedEvent {
    RecordedEvent {
        position: revision + 10,
        stream: "battle-1".into(),
        revision,
        id: event.id,
        event_type: event.event_type,
        created_ms: 0,
        data: event.data,
        metadata: event.metadata,
    }
}

fn history(count: u64) -> Vec<RecordedEvent> {
    let mut chain = ChainHead::default();
    let sealed = |n: u64| {
        let id = Uuid::from_u128(100 + u128::from(n));
        let data = format!("{{\"n\":{n}}}").into_bytes();
        record(n, seal("battle-1", n, id, "Happened", data, &envelope(), &mut chain))
    };
    (0..count).map(sealed).collect()
}

fn verify(history: &[RecordedEvent]) -> Result<(), ChainError> {
    let mut chain = ChainHead::default();
    history.iter().try_for_each(|event| open(event, &mut chain).map(drop))
}

#[test]
fn metadata_has_its_fields_in_order_and_the_hash_last() {
    let first = &history(1)[0];
    let zeros = "0".repeat(64);
    let begin = format!(
        "{{\"$correlationId\":\"{}\",\"$causationId\":\"{}\",\"commandId\":\"{}\",\"actor\":\"{}\",\"time\":\"{}\",\
         \"traceparent\":\"{}\",\"prevHash\":\"{zeros}\",\"hash\":\"",
        envelope().correlation_id,
        envelope().causation_id,
        envelope().command_id,
        envelope().actor,
        envelope().time,
        envelope().traceparent.unwrap(),
    );
    let text = std::str::from_utf8(&first.metadata).unwrap();
    assert!(text.starts_with(&begin), "{text}");
    assert_eq!(text.len(), begin.len() + 64 + 2);
}

#[test]
fn what_was_sealed_is_read_back() {
    let history = history(3);
    verify(&history).unwrap();
    assert_eq!(peek(&history[1]).unwrap(), envelope());
    let mut chain = ChainHead::after(&history[0]).unwrap();
    assert_eq!(open(&history[1], &mut chain).unwrap(), envelope());
    assert_eq!(chain, ChainHead::after(&history[1]).unwrap());
}

#[test]
fn texts_that_need_escapes_are_read_back() {
    let mut odd = envelope();
    odd.actor = "a\"b\\c\nd\u{1}é".into();
    odd.traceparent = None;
    let mut chain = ChainHead::default();
    let event = seal("battle-1", 0, Uuid::nil(), "T", Vec::new(), &odd, &mut chain);
    assert_eq!(open(&record(0, event), &mut ChainHead::default()).unwrap(), odd);
}

#[test]
fn every_changed_byte_is_found() {
    let history = history(2);
    for at in 0..history[0].metadata.len() {
        let mut edited = history.clone();
        let mut metadata = edited[0].metadata.to_vec();
        metadata[at] ^= 0x20;
        edited[0].metadata = metadata.into();
        let error = verify(&edited).unwrap_err();
        assert_eq!((error.revision, error.position), (0, 10), "byte {at}");
    }
    for at in 0..history[0].data.len() {
        let mut edited = history.clone();
        let mut data = edited[0].data.to_vec();
        data[at] ^= 1;
        edited[0].data = data.into();
        assert!(matches!(verify(&edited).unwrap_err().broken, Broken::Hash { .. }), "byte {at}");
    }
}

#[test]
fn an_event_that_moved_or_went_is_found() {
    let history = history(3);
    let without_second = [history[0].clone(), history[2].clone()];
    let error = verify(&without_second).unwrap_err();
    assert_eq!(error.revision, 2);
    assert!(matches!(error.broken, Broken::Previous { .. }));

    let mut renumbered = history.clone();
    renumbered[1].revision = 7;
    assert!(matches!(verify(&renumbered).unwrap_err().broken, Broken::Hash { .. }));
    let mut retyped = history.clone();
    retyped[1].event_type = "Other".into();
    assert!(matches!(verify(&retyped).unwrap_err().broken, Broken::Hash { .. }));
    let mut elsewhere = history;
    elsewhere[0].stream = "battle-2".into();
    let error = verify(&elsewhere).unwrap_err();
    assert!(error.to_string().starts_with("battle-2, revision 0 (position 10): "), "{error}");
}

#[test]
fn a_whole_stream_rewritten_with_new_hashes_is_found_by_the_chain_kept_elsewhere() {
    let history = history(2);
    let kept = ChainHead::after(&history[0]).unwrap();
    let mut chain = ChainHead::default();
    let forged = seal("battle-1", 0, Uuid::from_u128(9), "Happened", b"{}".to_vec(), &envelope(), &mut chain);
    let next = seal("battle-1", 1, Uuid::from_u128(10), "Happened", b"{}".to_vec(), &envelope(), &mut chain);
    drop(forged);
    let mut kept = kept;
    assert!(matches!(open(&record(1, next), &mut kept).unwrap_err().broken, Broken::Previous { .. }));
}

#[test]
fn a_chain_is_written_in_snapshots_as_hex() {
    let chain = ChainHead::after(&history(1)[0]).unwrap();
    let text = serde_json::to_string(&chain).unwrap();
    assert_eq!(text, format!("\"{chain}\""));
    assert_eq!(serde_json::from_str::<ChainHead>(&text).unwrap(), chain);
    assert!(serde_json::from_str::<ChainHead>("\"12\"").is_err());
}

#[test]
fn metadata_of_others_is_refused() {
    let mut event = history(1).remove(0);
    for metadata in ["", "{}", "null", "{\"hash\":\"12\"}"] {
        event.metadata = Bytes::from(metadata);
        assert!(matches!(verify(&[event.clone()]).unwrap_err().broken, Broken::Metadata(_)), "{metadata}");
        assert!(peek(&event).is_err());
    }
}

#[test]
fn a_battles_event_is_read_back_as_the_domain_wrote_it() {
    let event = Event::BattleStarted(BattleStarted { started_at: Timestamp::from_millis(7_000) });
    let encoded = codec::encode(&event);
    let mut chain = ChainHead::default();
    let id = envelope().command_id.event_id(0);
    let sealed = seal("battle-1", 4, id, encoded.event_type, encoded.data, &envelope(), &mut chain);
    let Envelope { command_id, time, .. } = envelope();
    let mut stored = record(4, sealed);
    let promised = Recorded { revision: 4, event_id: id, command_id, time, event };
    assert_eq!(to_recorded(&stored).unwrap(), promised);

    stored.event_type = "NeverWas".into();
    let error = to_recorded(&stored).unwrap_err();
    assert!(error.to_string().starts_with("battle-1, revision 4: there is no event type"), "{error}");
}

#[test]
fn a_hash_is_64_lower_case_digits() {
    let hash: [u8; HASH_BYTES] = std::array::from_fn(|n| (n * 37) as u8);
    let digits = hex::encode(hash);
    assert_eq!(parse_hash(digits.as_bytes()), Some(hash));
    for bad in [digits.to_uppercase(), digits.replacen('a', "g", 1), digits[1..].to_owned(), digits + "0"] {
        assert_eq!(parse_hash(bad.as_bytes()), None, "{bad}");
    }
}
