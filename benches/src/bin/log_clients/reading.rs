//! How fast a client catches up, and that a filtered subscription makes progress which a restart does not undo.

use std::path::Path;
use std::time::Instant;

use kurrentdb::{Position, StreamPosition, SubscribeToAllOptions, SubscriptionEvent, SubscriptionFilter};
use nimaora_benches::{BenchError, Child};
use nimaora_event_log::embedded::{EmbeddedConfig, EmbeddedLog};
use nimaora_event_log::{Append, EventLog, Expected, NewEvent};
use nimaora_runtime::Clock;
use uuid::Uuid;

use crate::{Args, failed, serving};

/// How many events are appended at once, and to how many streams in turn.
const BATCH_EVENTS: u64 = 1_000;
const STREAMS: u64 = 100;

pub(crate) async fn measure(args: &Args) -> Result<(), BenchError> {
    let folder = tempfile::tempdir()?;
    fill(folder.path(), args).await?;
    let server = serving::start(folder.path())?;
    catch_up(args, &server).await?;
    let reached = filtered(&server, None).await?;
    drop(server);
    let server = serving::start(folder.path())?;
    filtered(&server, reached).await?;
    Ok(())
}

/// A log of other events, and one of a battle at its end.
async fn fill(folder: &Path, args: &Args) -> Result<(), BenchError> {
    let log = EmbeddedLog::open(folder, EmbeddedConfig::new(Clock::system())).map_err(failed)?;
    let event = || NewEvent {
        id: Uuid::new_v4(),
        event_type: "Noted".into(),
        data: vec![7; args.event_bytes].into(),
        // As an append of a client leaves it.
        metadata: vec![1].into(),
    };
    for batch in 0..args.events.div_ceil(BATCH_EVENTS) {
        let (stream, expected) = (format!("notes-{}", batch % STREAMS).into(), Expected::Any);
        let events = (0..BATCH_EVENTS).map(|_| event()).collect();
        log.append(Append { stream, expected, events }).await.map_err(failed)?;
    }
    let (stream, expected) = ("battle-1".into(), Expected::Any);
    log.append(Append { stream, expected, events: vec![event()] }).await.map_err(failed)?;
    log.close().await;
    Ok(())
}

async fn catch_up(args: &Args, server: &Child) -> Result<(), BenchError> {
    let client = serving::client(server)?;
    let began = Instant::now();
    let options = SubscribeToAllOptions::default().position(StreamPosition::Start);
    let mut listener = client.subscribe_to_all(&options).await;
    let mut count = 0_u64;
    while count < args.events {
        listener.next().await.map_err(failed)?;
        count += 1;
    }
    let rate = count as f64 / began.elapsed().as_secs_f64();
    println!("catch-up: {count} events, {rate:.0} a second (target 150000)");
    Ok(())
}

/// Follows battles until caught up, from a checkpoint if there is one. Answers the last one.
async fn filtered(server: &Child, from: Option<Position>) -> Result<Option<Position>, BenchError> {
    let client = serving::client(server)?;
    let began = Instant::now();
    let battles = SubscriptionFilter::on_stream_name().add_prefix("battle-");
    let position = from.map_or(StreamPosition::Start, StreamPosition::Position);
    let options = SubscribeToAllOptions::default().position(position).filter(battles);
    let mut listener = client.subscribe_to_all(&options).await;
    let (mut found, mut checkpoints, mut reached) = (0, 0, from);
    loop {
        match listener.next_subscription_event().await.map_err(failed)? {
            SubscriptionEvent::EventAppeared(_) => found += 1,
            SubscriptionEvent::Checkpoint(position) => {
                checkpoints += 1;
                reached = Some(position);
            }
            SubscriptionEvent::CaughtUp(_) => break,
            _ => {}
        }
    }
    println!(
        "filtered, from {}: {found} found, {checkpoints} checkpoints, caught up after {:.3} s",
        from.map_or(0, |from| from.commit),
        began.elapsed().as_secs_f64()
    );
    Ok(reached)
}
