//! What is promised of reads.

use std::sync::Arc;

use bytes::Bytes;
use uuid::Uuid;

use super::{Kept, Streams, Violation, ensure, equal, events, ids, in_order, new_ids, typed, within};
use crate::log::SharedLog;
use crate::types::{Direction, Expected, Filter, NewEvent};

/// Every byte comes back.
pub async fn an_event_is_read_as_it_was_written(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let event = NewEvent {
        id: Uuid::new_v4(),
        event_type: "Läuft".into(),
        data: Bytes::from_static("{\"text\":\"größer \\u0000 💥\"}".as_bytes()),
        metadata: Bytes::from_static(b"{\"$correlationId\":\"x\"}"),
    };
    let empty = NewEvent { data: Bytes::new(), metadata: Bytes::new(), ..typed("E", 0) };
    let appended = streams.append("ström", Expected::Any, &[event.clone(), empty.clone()]).await?;
    let read = streams.log.read_stream(&streams.name("ström"), 0, Direction::Forwards, 10).await?;
    equal("the number of events", &read.len(), &2)?;
    for (read, written) in read.iter().zip([event, empty]) {
        let found = NewEvent {
            id: read.id,
            event_type: Arc::clone(&read.event_type),
            data: read.data.clone(),
            metadata: read.metadata.clone(),
        };
        equal("the event", &found, &written)?;
        equal("its stream", &&*read.stream, &streams.name("ström").as_str())?;
    }
    equal("its position", &read[0].position, &appended.first_position)
}

/// Reading a stream: edges.
pub async fn a_stream_is_read_from_any_place_in_both_directions(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let mut written = Vec::new();
    for n in 0..10 {
        let batch = events(1 + n % 4);
        streams.append("s", Expected::Any, &batch).await?;
        streams.append("other", Expected::Any, &events(1)).await?;
        written.extend(new_ids(&batch));
    }
    let last = written.len() - 1;
    let cases =
        [(0, usize::MAX), (0, 0), (0, 1), (3, 5), (last, 1), (last, 10), (last + 1, 10), (last + 100, 10)];
    for (from, limit) in cases {
        let promised: Vec<_> = written.iter().skip(from).take(limit).copied().collect();
        let read =
            streams.log.read_stream(&streams.name("s"), from as u64, Direction::Forwards, limit).await?;
        equal(&format!("forwards from {from}, up to {limit}"), &ids(&read), &promised)?;

        let skip = last.saturating_sub(from);
        let promised: Vec<_> = written.iter().rev().skip(skip).take(limit).copied().collect();
        let read =
            streams.log.read_stream(&streams.name("s"), from as u64, Direction::Backwards, limit).await?;
        equal(&format!("backwards from {from}, up to {limit}"), &ids(&read), &promised)?;
    }
    let read = streams.log.read_stream(&streams.name("s"), u64::MAX, Direction::Backwards, 1).await?;
    equal("the last event", &ids(&read), &written[last..].to_vec())
}

/// Reading a stream that does not exist.
pub async fn a_missing_stream_has_no_events(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    for direction in [Direction::Forwards, Direction::Backwards] {
        let read = streams.log.read_stream(&streams.name("missing"), 0, direction, 10).await?;
        equal("its events", &read, &Vec::new())?;
    }
    Ok(())
}

/// Reading the whole log: pages join without gap or repeat, and backwards is the reverse.
pub async fn the_whole_log_is_read_page_by_page_in_both_directions(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let mut written = Vec::new();
    for n in 0..40 {
        let batch = events(1 + n % 5);
        streams.append(&format!("{}", n % 3), Expected::Any, &batch).await?;
        written.extend(new_ids(&batch));
    }
    for limit in [1, 7, 1_000] {
        let forwards = streams.all(Direction::Forwards, limit).await?;
        in_order(&forwards)?;
        equal(&format!("forwards by {limit}"), &ids(&forwards), &written)?;
        let mut backwards = streams.all(Direction::Backwards, limit).await?;
        backwards.reverse();
        equal(&format!("backwards by {limit}, reversed"), &ids(&backwards), &written)?;
    }
    let all = streams.all(Direction::Forwards, 1_000).await?;
    for (at, event) in all.iter().enumerate().step_by(9) {
        let filter = streams.filter();
        let after = streams.log.read_all(event.position, Direction::Forwards, 2, &filter).await?;
        equal("from an event on", &ids(&after.events), &written[at..(at + 2).min(written.len())].to_vec())?;
        let before = streams.log.read_all(event.position, Direction::Backwards, 1, &filter).await?;
        equal("from an event back", &ids(&before.events), &vec![event.id])?;
    }
    for direction in [Direction::Forwards, Direction::Backwards] {
        let page = streams.log.read_all(1, direction, 0, &streams.filter()).await?;
        equal("a page of no events", &page.events, &Vec::new())?;
    }
    let head = streams.log.status().await?.head;
    let page = streams.log.read_all(head + 1_000_000, Direction::Forwards, 10, &Filter::default()).await?;
    ensure(page.events.is_empty() && page.next.is_none(), || "there are events behind the head".into())
}

/// Filters: prefixes of streams and of types.
pub async fn filters_let_through_what_they_name(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let mut written = Vec::new();
    for stream in ["aa", "ab", "b"] {
        for event_type in ["JoinedOne", "JoinedTwo", "Left"] {
            let event = typed(event_type, 0);
            written.push((stream, event_type, event.id));
            streams.append(stream, Expected::Any, &[event]).await?;
        }
    }
    let cases: [(&[&str], &[&str]); 7] = [
        (&["a"], &[]),
        (&["aa", "b"], &[]),
        (&[""], &["Joined"]),
        (&["a"], &["JoinedTwo", "Left"]),
        (&["c"], &[]),
        (&["a"], &["None"]),
        (&["ab"], &["Joined"]),
    ];
    for (stream_prefixes, type_prefixes) in cases {
        let filter = Filter {
            stream_prefixes: stream_prefixes.iter().map(|prefix| streams.name(prefix).into()).collect(),
            type_prefixes: type_prefixes.iter().map(|prefix| (*prefix).into()).collect(),
        };
        let passes = |name: &str, prefixes: &[&str]| {
            prefixes.is_empty() || prefixes.iter().any(|prefix| name.starts_with(prefix))
        };
        let promised: Vec<_> = written
            .iter()
            .filter(|(stream, event_type, _)| {
                passes(stream, stream_prefixes) && passes(event_type, type_prefixes)
            })
            .map(|(_, _, id)| *id)
            .collect();
        let mut found = Vec::new();
        let mut from = Some(1);
        while let Some(place) = from {
            let page = streams.log.read_all(place, Direction::Forwards, 2, &filter).await?;
            found.extend(ids(&page.events));
            from = page.next;
        }
        equal(&format!("{stream_prefixes:?} {type_prefixes:?}"), &found, &promised)?;
    }
    Ok(())
}

/// Ordered: who has seen a position never later finds an event before it.
pub async fn no_event_appears_behind_a_reader(log: SharedLog) -> Kept {
    let streams = Arc::new(Streams::new(log));
    let mut writers = tokio::task::JoinSet::new();
    for task in 0..4 {
        let streams = Arc::clone(&streams);
        writers.spawn(async move {
            for _ in 0..50 {
                streams.append(&format!("{task}"), Expected::Any, &events(2)).await?;
            }
            Ok::<_, Violation>(())
        });
    }
    let mut seen = Vec::new();
    let mut from = 1;
    while seen.len() < 400 {
        let page = within(streams.log.read_all(from, Direction::Forwards, 64, &streams.filter())).await??;
        if let Some(last) = page.events.last() {
            from = last.position + 1;
        } else {
            from = page.next.unwrap_or(from);
            tokio::task::yield_now().await;
        }
        seen.extend(page.events);
    }
    for written in within(writers.join_all()).await? {
        written?;
    }
    in_order(&seen)?;
    equal("what was read on the way", &ids(&seen), &ids(&streams.all(Direction::Forwards, 1_000).await?))
}
