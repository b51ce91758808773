//! Writes what was folded to the tables, and parks what cannot be projected.

use std::collections::HashSet;
use std::future::Future;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use nimaora_domain::{BattleId, Event, Timestamp};
use nimaora_read_models::{ParkedPages, Position, ReadModels, StoreError};
use tokio::sync::watch;

use crate::config::{Config, PARKED_EVENTS_MAX};
use crate::fold::{Fold, Folded, Marks};
use crate::names::Names;
use crate::source::{Content, Decoded};
use crate::status::Status;
use crate::stores::{End, Stores};

/// How often a large piece of a rebuild is tried before it is halved: the tables may be too slow for it.
const LARGE_PIECE_TRIES_MAX: u32 = 2;
/// Events of a piece that is not halved for that any more. It is tried for as long as it takes.
const LARGE_PIECE_EVENTS_MIN: usize = 4_096;

/// Events that the tables hold now, and what else they come to.
pub(crate) struct Delivery {
    pub(crate) folded: Folded,
    /// The positions of those that were parked.
    pub(crate) parked: Vec<Position>,
    pub(crate) upto: Position,
    /// How long the boards may hold up what comes after them.
    pub(crate) patience: Duration,
}

/// What becomes of events once the tables hold them.
pub(crate) trait Downstream: Send {
    /// Takes what is past the marks of boards and changes, and moves them.
    fn take(&mut self, delivery: Delivery, marks: &mut Marks)
    -> impl Future<Output = Result<(), End>> + Send;
}

/// The only writer of a set of tables.
pub(crate) struct TableWriter {
    tables: Arc<dyn ReadModels>,
    config: Config,
    pub(crate) stores: Stores,
    pub(crate) marks: Marks,
    pub(crate) names: Names,
    /// The positions of all events that are parked.
    pub(crate) parked: HashSet<Position>,
    /// The position up to which changes were published, as the tables have it.
    pub(crate) changes_saved: Position,
    /// The most events in one piece of a rebuild, halved when the tables cannot take so many in time; `None` otherwise.
    pub(crate) piece_events_max: Option<usize>,
    status: watch::Sender<Status>,
}

impl TableWriter {
    pub(crate) fn new(
        tables: Arc<dyn ReadModels>,
        config: Config,
        stores: Stores,
        status: watch::Sender<Status>,
    ) -> Self {
        Self {
            tables,
            config,
            stores,
            marks: Marks::default(),
            names: Names::default(),
            parked: HashSet::new(),
            changes_saved: 0,
            piece_events_max: None,
            status,
        }
    }

    pub(crate) async fn load_parked(&mut self) -> Result<(), End> {
        let tables = Arc::clone(&self.tables);
        let positions = self.stores.call("tables", false, || positions_of_parked(&*tables)).await??;
        self.note_parked(positions.into_iter())
    }

    /// Writes events as one piece if the tables take them; else in ever smaller pieces, until those that the tables refuse are
    /// alone and can be parked. In a rebuild, also until the tables can take them in time.
    pub(crate) async fn write_in_pieces(
        &mut self,
        events: &[Decoded],
        checkpoint: Position,
        down: &mut impl Downstream,
    ) -> Result<(), End> {
        let whole: Range<usize> = 0..events.len();
        let mut pieces = vec![whole];
        while let Some(piece) = pieces.pop() {
            if self.piece_events_max.is_some_and(|most| piece.len() > most) {
                pieces.extend(halves(piece));
                continue;
            }
            let last = piece.end == events.len();
            let upto = if last { checkpoint } else { events[piece.end - 1].position };
            let Err(refused) = self.write(&events[piece.clone()], upto, None, down).await? else {
                continue;
            };
            if matches!(refused, StoreError::Unavailable { .. }) {
                let most = piece.len().div_ceil(2);
                tracing::warn!(%refused, events = most, "the tables are given fewer events at once");
                self.piece_events_max = Some(most);
                pieces.push(piece);
                continue;
            }
            match piece.len() {
                0 => return Err(refused.into()),
                1 => {
                    let reason = refused.to_string();
                    self.write(&events[piece], upto, Some(&reason), down).await??;
                }
                _ => pieces.extend(halves(piece)),
            }
        }
        Ok(())
    }

    /// Writes events to the tables and hands on what else they come to. With `parking`, the events are parked for that reason. The inner
    /// error is that of [`TableWriter::write_tables`].
    async fn write(
        &mut self,
        events: &[Decoded],
        upto: Position,
        parking: Option<&str>,
        down: &mut impl Downstream,
    ) -> Result<Result<(), StoreError>, End> {
        self.load_names(events).await?;
        let mut folded = self.fold(events, parking);
        let parked: Vec<_> = folded.tables.parked.iter().map(|event| event.position).collect();
        if upto > self.marks.tables {
            if let Err(refused) = self.write_tables(&mut folded, upto, self.tries_max(events.len())).await? {
                return Ok(Err(refused));
            }
            log_parked(&folded);
            self.note_parked(parked.iter().copied())?;
        }
        for board in folded.boards.iter().filter(|board| board.ended) {
            self.names.forget(board.battle_id);
        }
        let patience = self.boards_patience();
        down.take(Delivery { folded, parked, upto, patience }, &mut self.marks).await?;
        Ok(Ok(()))
    }

    fn fold(&mut self, events: &[Decoded], parking: Option<&str>) -> Folded {
        let now = Timestamp::from_millis(self.config.clock.now_ms());
        let mut fold = Fold::new(self.marks, &mut self.names, now);
        for event in events {
            let parked_before = self.parked.contains(&event.position).then_some("it is parked");
            fold.event(event, parking.or(parked_before));
        }
        fold.finish()
    }

    /// How often as many events as these are tried at once.
    fn tries_max(&self, events: usize) -> u32 {
        match self.piece_events_max.is_some() && events / 2 >= LARGE_PIECE_EVENTS_MIN {
            true => LARGE_PIECE_TRIES_MAX,
            false => u32::MAX,
        }
    }

    /// The inner error is the tables' refusal, or that they could not be used so often; in that case they may hold the events all the same,
    /// and then take them for a repeat.
    async fn write_tables(
        &mut self,
        folded: &mut Folded,
        upto: Position,
        tries_max: u32,
    ) -> Result<Result<(), StoreError>, End> {
        let published = self.status.borrow().published;
        folded.tables.follows = self.marks.tables;
        folded.tables.checkpoint = upto;
        folded.tables.changes_checkpoint = (published > self.changes_saved).then_some(published);
        let (tables, batch) = (Arc::clone(&self.tables), &folded.tables);
        let ready_after = self.status.borrow().caught_up;
        match self.stores.call_at_most(tries_max, "tables", ready_after, || tables.apply(batch)).await? {
            Ok(()) => {
                self.marks.tables = upto;
                self.changes_saved = self.changes_saved.max(published);
                Ok(Ok(()))
            }
            Err(refused @ (StoreError::Constraint { .. } | StoreError::Unavailable { .. })) => {
                Ok(Err(refused))
            }
            Err(overtaken @ StoreError::Overtaken { .. }) => Err(End::Overtaken(overtaken)),
            Err(broken) => Err(broken.into()),
        }
    }

    /// While it catches up, nobody waits for what is new, and what the boards cannot take in time would have to be made anew.
    fn boards_patience(&self) -> Duration {
        match self.status.borrow().caught_up {
            true => self.config.boards_patience,
            false => self.config.store_timeout,
        }
    }

    /// Reads the names of battles in which somebody was attacked, where followers are to be told and the names are not here.
    async fn load_names(&mut self, events: &[Decoded]) -> Result<(), End> {
        let tables = Arc::clone(&self.tables);
        for battle_id in self.battles_without_names(events) {
            let ready_after = self.status.borrow().caught_up;
            let names = self.stores.call("tables", ready_after, || tables.usernames(battle_id)).await??;
            self.names.hold(battle_id, names.into_iter());
        }
        Ok(())
    }

    fn battles_without_names(&self, events: &[Decoded]) -> Vec<BattleId> {
        let news = events.iter().filter(|event| event.position > self.marks.changes);
        let mut missing: Vec<_> = news
            .filter(|event| matches!(event.content, Content::Event(_, Event::AttackLanded(_))))
            .filter_map(|event| event.battle_id)
            .filter(|&battle_id| !self.names.holds(battle_id))
            .collect();
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    fn note_parked(&mut self, positions: impl Iterator<Item = Position>) -> Result<(), End> {
        self.parked.extend(positions);
        let parked = self.parked.len();
        self.status.send_modify(|status| status.parked = parked);
        match parked > PARKED_EVENTS_MAX {
            true => Err(End::Failed(format!(
                "more than {PARKED_EVENTS_MAX} events are parked: this program does not understand this log"
            ))),
            false => Ok(()),
        }
    }
}

/// Both halves of a piece, the first one last.
fn halves(piece: Range<usize>) -> [Range<usize>; 2] {
    let middle = piece.start + piece.len() / 2;
    [middle..piece.end, piece.start..middle]
}

async fn positions_of_parked(tables: &dyn ReadModels) -> Result<Vec<Position>, StoreError> {
    let (mut pages, mut positions) = (ParkedPages::of(tables), Vec::new());
    while let Some(page) = pages.next().await? {
        positions.extend(page.iter().map(|event| event.position));
    }
    Ok(positions)
}

fn log_parked(folded: &Folded) {
    for event in &folded.tables.parked {
        tracing::error!(
            position = event.position,
            stream = event.stream,
            event_type = event.event_type,
            reason = event.reason,
            "an event cannot be projected and is parked"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_half_of_a_piece_is_taken_first() {
        let mut pieces = Vec::from(halves(3..8));
        assert_eq!((pieces.pop(), pieces.pop()), (Some(3..5), Some(5..8)));
    }
}
