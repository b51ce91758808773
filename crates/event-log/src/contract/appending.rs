//! What is promised of appends.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    Kept, Streams, Violation, ensure, equal, events, ids, in_order, is_wrong, new_ids, typed, within,
};
use crate::error::AppendError;
use crate::log::SharedLog;
use crate::types::{
    APPEND_BYTES_MAX, APPEND_EVENTS_MAX, Append, Appended, Direction, EVENT_BYTES_MAX, Expected, NewEvent,
    STREAM_NAME_BYTES_MAX,
};

/// Fenced: a stream without events.
pub async fn a_missing_stream_meets_any_and_no_stream_only(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    for wrong in [Expected::Exists, Expected::Exact(0), Expected::Exact(7)] {
        is_wrong(&streams.append("missing", wrong, &events(1)).await, None)?;
    }
    equal("events of the missing stream", &streams.ids("missing").await?, &Vec::new())?;
    for (stream, right) in [("any", Expected::Any), ("none", Expected::NoStream)] {
        let appended = streams.append(stream, right, &events(2)).await?;
        equal("the last revision", &appended.last_revision, &1)?;
        ensure(!appended.repeated, || "a new append is called a repeat".into())?;
    }
    Ok(())
}

/// Fenced: a stream with events.
pub async fn an_existing_stream_meets_any_exists_and_its_last_revision_only(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    streams.append("s", Expected::NoStream, &events(3)).await?;
    let wrong =
        [Expected::NoStream, Expected::Exact(0), Expected::Exact(1), Expected::Exact(3), Expected::Exact(99)];
    for wrong in wrong {
        is_wrong(&streams.append("s", wrong, &events(1)).await, Some(2))?;
    }
    for (right, revision) in [(Expected::Exact(2), 3), (Expected::Any, 4), (Expected::Exists, 5)] {
        let appended = streams.append("s", right, &events(1)).await?;
        equal("the last revision", &appended.last_revision, &revision)?;
    }
    Ok(())
}

/// Atomic and fenced: nothing of a refused append is there.
pub async fn a_refused_append_writes_nothing(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let stored = events(2);
    streams.append("s", Expected::NoStream, &stored).await?;
    is_wrong(&streams.append("s", Expected::Exact(0), &events(5)).await, Some(1))?;
    is_wrong(&streams.append("s", Expected::NoStream, &events(2)).await, Some(1))?;
    equal("the stream's events", &streams.ids("s").await?, &new_ids(&stored))
}

/// Atomic and ordered.
pub async fn a_batch_is_at_consecutive_revisions_and_increasing_positions(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    streams.append("s", Expected::NoStream, &events(1)).await?;
    let batch = events(50);
    let appended = streams.append("s", Expected::Exact(0), &batch).await?;
    let read = streams.log.read_stream(&streams.name("s"), 0, Direction::Forwards, 100).await?;
    in_order(&read)?;
    equal("the batch", &ids(&read[1..]), &new_ids(&batch))?;
    let positions = read.get(1).zip(read.last()).map(|(first, last)| (first.position, last.position));
    equal("where it went", &positions, &Some((appended.first_position, appended.last_position)))?;
    let each: Vec<_> = (0..batch.len()).map(|index| appended.position(index)).collect();
    let promised: Vec<_> = read[1..].iter().map(|event| event.position).collect();
    equal("where each event went", &each, &promised)?;
    equal("its last revision", &appended.last_revision, &50)
}

/// Idempotent, with every expectation, also when other events came since.
pub async fn a_repeat_answers_where_it_went_and_writes_nothing(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let first = events(3);
    let first_appended = streams.append("s", Expected::NoStream, &first).await?;
    let second = events(2);
    let second_appended = streams.append("s", Expected::Exact(2), &second).await?;
    let third = events(1);
    let third_appended = streams.append("s", Expected::Any, &third).await?;
    streams.append("other", Expected::Any, &events(4)).await?;

    let repeats = [
        (&first, Expected::NoStream, &first_appended),
        (&first, Expected::Any, &first_appended),
        (&first, Expected::Exists, &first_appended),
        (&second, Expected::Exact(2), &second_appended),
        (&second, Expected::Any, &second_appended),
        (&third, Expected::Any, &third_appended),
        (&third, Expected::Exact(4), &third_appended),
    ];
    for (events, expected, appended) in repeats {
        let repeat = streams.append("s", expected, events).await?;
        equal(
            &format!("the repeat with {expected:?}"),
            &repeat,
            &Appended { repeated: true, ..appended.clone() },
        )?;
    }
    let all = [new_ids(&first), new_ids(&second), new_ids(&third)].concat();
    equal("the stream's events", &streams.ids("s").await?, &all)
}

/// Idempotent: the repeat may come before the first is answered.
pub async fn a_repeat_in_the_same_moment_is_written_once(log: SharedLog) -> Kept {
    let streams = Arc::new(Streams::new(log));
    let batch = events(3);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (streams, batch) = (Arc::clone(&streams), batch.clone());
        tasks.spawn(async move { streams.append("s", Expected::Any, &batch).await });
    }
    let mut answers = Vec::new();
    for answer in within(tasks.join_all()).await? {
        answers.push(answer?);
    }
    equal("how many wrote", &answers.iter().filter(|appended| !appended.repeated).count(), &1)?;
    for answer in &answers {
        let places =
            |appended: &Appended| (appended.first_position, appended.last_position, appended.last_revision);
        equal("where it went", &places(answer), &places(&answers[0]))?;
    }
    equal("the stream's events", &streams.ids("s").await?, &new_ids(&batch))
}

/// Idempotent: by stream and ids.
pub async fn the_same_ids_in_another_stream_are_no_repeat(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let batch = events(2);
    for stream in ["a", "b"] {
        let appended = streams.append(stream, Expected::Any, &batch).await?;
        ensure(!appended.repeated, || format!("stream {stream} is taken for another"))?;
        equal("the stream's events", &streams.ids(stream).await?, &new_ids(&batch))?;
    }
    Ok(())
}

/// Idempotent: an append of which only some events are there is neither new nor a repeat.
pub async fn a_partial_overlap_is_refused(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let batch = events(3);
    streams.append("s", Expected::Any, &batch[..2]).await?;
    is_wrong(&streams.append("s", Expected::Any, &batch[1..]).await, Some(1))?;
    is_wrong(&streams.append("s", Expected::NoStream, &batch).await, Some(1))?;
    equal("the stream's events", &streams.ids("s").await?, &new_ids(&batch[..2]))
}

/// Fenced: of those who saw the same state, one may write.
pub async fn one_of_many_with_the_same_expectation_wins(log: SharedLog) -> Kept {
    let streams = Arc::new(Streams::new(log));
    streams.append("s", Expected::NoStream, &events(1)).await?;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let streams = Arc::clone(&streams);
        tasks.spawn(async move { streams.append("s", Expected::Exact(0), &events(1)).await });
    }
    let mut winners = 0;
    for answer in within(tasks.join_all()).await? {
        match answer {
            Ok(_) => winners += 1,
            refused @ Err(_) => is_wrong(&refused, Some(1))?,
        }
    }
    equal("winners", &winners, &1)
}

/// Ordered, whoever appends at the same time.
pub async fn concurrent_appends_keep_every_streams_order(log: SharedLog) -> Kept {
    const TASKS: usize = 12;
    const APPENDS: usize = 25;
    let streams = Arc::new(Streams::new(log));
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let streams = Arc::clone(&streams);
        tasks.spawn(async move {
            let mut mine = Vec::new();
            for n in 0..APPENDS {
                let batch = events(1 + n % 3);
                streams.append(&format!("{}", (task + n) % 4), Expected::Any, &batch).await?;
                mine.extend(new_ids(&batch));
            }
            Ok::<_, Violation>(mine)
        });
    }
    let written = within(tasks.join_all()).await?;
    let all = streams.all(Direction::Forwards, 100).await?;
    in_order(&all)?;
    let mut count = 0;
    for mine in written {
        let mine = mine?;
        count += mine.len();
        let set: ahash::AHashSet<_> = mine.iter().copied().collect();
        let found: Vec<_> = ids(&all).into_iter().filter(|id| set.contains(id)).collect();
        equal("the order of one writer's events", &found, &mine)?;
    }
    equal("the number of events", &all.len(), &count)
}

/// Limits: refused with a reason, and nothing is written.
pub async fn what_is_outside_the_limits_is_refused(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let big = |bytes: usize| NewEvent { data: Bytes::from(vec![b'1'; bytes]), ..typed("Big", 0) };
    let long = "x".repeat(STREAM_NAME_BYTES_MAX + 1);
    let short = streams.name("s");
    let many_bytes = vec![big(EVENT_BYTES_MAX - 100); APPEND_BYTES_MAX / (EVENT_BYTES_MAX - 100) + 1];
    let cases = [
        ("no name", "", events(1)),
        ("a long name", long.as_str(), events(1)),
        ("no event", short.as_str(), Vec::new()),
        ("many events", short.as_str(), events(APPEND_EVENTS_MAX + 1)),
        ("a large event", short.as_str(), vec![big(EVENT_BYTES_MAX + 1)]),
        ("many bytes", short.as_str(), many_bytes),
    ];
    for (what, stream, events) in cases {
        let append = Append { stream: stream.into(), expected: Expected::Any, events };
        let answer = within(streams.log.append(append)).await?;
        ensure(matches!(answer, Err(AppendError::Invalid { .. })), || format!("{what}: {answer:?}"))?;
    }
    equal("the stream's events", &streams.ids("s").await?, &Vec::new())
}

/// Limits: what is just within them is taken.
pub async fn what_is_at_the_limits_is_taken(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let many = events(APPEND_EVENTS_MAX);
    let appended = streams.append("many", Expected::Any, &many).await?;
    equal("the last revision", &appended.last_revision, &(APPEND_EVENTS_MAX as u64 - 1))?;
    equal("the events", &streams.ids("many").await?, &new_ids(&many))?;

    let small = typed("Big", 0);
    let rest = small.event_type.len() + small.metadata.len();
    let data = Bytes::from(vec![b'1'; EVENT_BYTES_MAX - rest]);
    let largest = [NewEvent { data, ..small }];
    streams.append("large", Expected::Any, &largest).await?;
    let read = streams.log.read_stream(&streams.name("large"), 0, Direction::Forwards, 1).await?;
    equal("the largest event's data", &read.first().map(|event| &event.data), &Some(&largest[0].data))
}

/// Bounded: of many small events as of few large ones, whatever the stream is called.
pub async fn an_append_as_large_as_the_log_says_is_taken(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let room = streams.log.append_bytes_max();
    ensure(room <= APPEND_BYTES_MAX, || format!("{room} bytes are more than any append may have"))?;
    let longest = STREAM_NAME_BYTES_MAX - streams.name("").len();
    for (name, events) in [("x".repeat(longest), 4_000), ("y".repeat(longest), 16)] {
        let batch = filling(room, events);
        streams.append(&name, Expected::NoStream, &batch).await?;
        equal("the events", &streams.ids(&name).await?, &new_ids(&batch))?;
    }
    Ok(())
}

/// `count` events that take exactly `room` bytes of an append.
fn filling(room: usize, count: usize) -> Vec<NewEvent> {
    let sized = |bytes: usize| {
        let small = NewEvent { data: Bytes::new(), ..typed("Sized", 0) };
        let data = Bytes::from(vec![b'1'; bytes.saturating_sub(small.append_bytes())]);
        NewEvent { data, ..small }
    };
    let mut batch: Vec<_> = (1..count).map(|_| sized(room / count)).collect();
    batch.push(sized(room - (count - 1) * (room / count)));
    batch
}

/// Names: whatever they hold, each is a stream of its own, up to the longest.
pub async fn a_stream_may_have_any_name(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let left = STREAM_NAME_BYTES_MAX - streams.name("").len();
    let long = [".".repeat(left), "ö".repeat(left / 2), "x".repeat(left), "x".repeat(left - 1)];
    let odd = [
        "", "-", "--", ".", "..", "*", ">", "a.b", "a-b", "a b", "a~b", "~2e", "~", "A-B", "\n", "\u{0}",
        "%", "a/b",
    ];
    let names: Vec<&str> = odd.into_iter().chain(long.iter().map(String::as_str)).collect();
    let mut written = Vec::new();
    for name in &names {
        let event = events(1);
        streams.append(name, Expected::NoStream, &event).await?;
        written.push(event[0].id);
    }
    for (name, id) in names.iter().zip(&written) {
        equal(&format!("the events of {name:?}"), &streams.ids(name).await?, &vec![*id])?;
    }
    equal("all of them", &ids(&streams.all(Direction::Forwards, 100).await?), &written)
}

/// Readable at once, by stream and in the whole log.
pub async fn an_answered_append_is_readable_at_once(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    for n in 0..20 {
        let event = events(1);
        let appended = streams.append("s", Expected::Any, &event).await?;
        let name = streams.name("s");
        let read = streams.log.read_stream(&name, n, Direction::Forwards, 10).await?;
        equal("the newest of the stream", &ids(&read), &new_ids(&event))?;
        let from = appended.first_position;
        let page = streams.log.read_all(from, Direction::Forwards, 10, &streams.filter()).await?;
        equal("the newest of the log", &ids(&page.events), &new_ids(&event))?;
    }
    Ok(())
}

/// Status.
pub async fn status_tells_the_head(log: SharedLog) -> Kept {
    let streams = Streams::new(log);
    let appended = streams.append("s", Expected::Any, &events(2)).await?;
    let status = streams.log.status().await?;
    ensure(status.head >= appended.last_position, || {
        format!("the head is {}, before {}", status.head, appended.last_position)
    })?;
    ensure(status.writable, || "a log that takes appends says that it takes none".into())
}
