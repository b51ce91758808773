//! `nimaora audit replay`: the standings at a point of the past, and the story of one participant.

use clap::Args;
use comfy_table::Table;
use comfy_table::presets::UTF8_FULL_CONDENSED;
use nimaora_domain::{Balance, BattleId, ParticipantId, Timestamp};
use nimaora_event_log::{EventLog, Position};
use serde_json::{Value, json};

use super::error::AuditError;
use super::source::Source;
use super::walk::{Fold, stream};
use super::{BattleArgs, print, print_json, story};

/// What `nimaora audit replay` is asked.
#[derive(Args, Debug)]
pub(super) struct ReplayArgs {
    #[command(flatten)]
    battle: BattleArgs,
    /// Replay up to here (inclusive): a position, or a time such as 2026-01-31T12:00:00Z [default: the end].
    #[arg(long, value_name = "POSITION|TIME")]
    at: Option<String>,
    /// Tell the story of this participant instead of the standings.
    #[arg(long, value_name = "ID|NAME")]
    participant: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// The point of the past.
#[derive(Clone, Copy, Debug)]
pub(super) enum Until {
    Position(Position),
    Time(Timestamp),
}

impl Until {
    fn parse(text: Option<&str>) -> Result<Self, AuditError> {
        let Some(text) = text else { return Ok(Self::Position(Position::MAX)) };
        if let Ok(position) = text.parse() {
            return Ok(Self::Position(position));
        }
        text.parse().map(Self::Time).map_err(|_| AuditError::At(text.to_owned()))
    }
}

/// A line of a participant's story.
pub(super) struct Moment {
    pub(super) revision: u64,
    pub(super) position: Position,
    pub(super) time: Timestamp,
    pub(super) what: String,
    pub(super) after: Balance,
}

/// What a replay came to.
pub(super) struct Replayed {
    /// The battle at the point.
    pub(super) fold: Fold,
    /// Whose story it is.
    pub(super) who: Option<ParticipantId>,
    /// The story.
    pub(super) moments: Vec<Moment>,
}

pub(super) async fn run(args: ReplayArgs) -> Result<(), AuditError> {
    let until = Until::parse(args.at.as_deref())?;
    let battle_id = args.battle.battle;
    let (wanted, json) = (args.participant.as_deref(), args.json);
    match args.battle.source.open().await? {
        Source::Log(_, log, _) => {
            let Replayed { fold, who, moments } = replay(&*log, battle_id, until, wanted).await?;
            match who {
                None if json => print_json(&standings_json(&fold)),
                None => print(&standings_text(&fold)),
                Some(who) if json => print_json(&story_json(who, &moments)),
                Some(_) => print(&story_text(&moments)),
            }
        }
        Source::Server(server) => match wanted {
            None => {
                let told = server.replay(battle_id, until).await?;
                if json { print_json(&told.json()) } else { print(&told.text()) }
            }
            Some(wanted) => {
                let (who, moments) = server.story(battle_id, wanted, until).await?;
                if json { print_json(&story_json(who, &moments)) } else { print(&story_text(&moments)) }
            }
        },
    }
}

/// Replays a battle up to a point, and tells the story of the participant with the wanted id or name.
pub(super) async fn replay(
    log: &dyn EventLog,
    battle_id: BattleId,
    until: Until,
    wanted: Option<&str>,
) -> Result<Replayed, AuditError> {
    let mut fold = Fold::begin(log, battle_id).await?;
    let (mut who, mut moments) = (None, Vec::new());
    let mut there = false;
    stream(log, battle_id, 0, |event| {
        there = true;
        if matches!(until, Until::Position(last) if event.position > last) {
            return Ok(false);
        }
        // The chain is checked before what an event says of its time is believed.
        let (recorded, chain) = fold.check(event)?;
        if matches!(until, Until::Time(last) if recorded.time > last) {
            return Ok(false);
        }
        fold.apply(event, &recorded, chain);
        if let Some(wanted) = wanted {
            who = who.or_else(|| find(&fold, wanted));
            if let Some(who) = who.filter(|&who| story::is_about(&recorded.event, who)) {
                moments.push(Moment {
                    revision: recorded.revision,
                    position: event.position,
                    time: recorded.time,
                    what: story::words(&recorded.event, &fold.battle),
                    after: fold.battle.participant(who).map(|found| found.balance()).unwrap_or_default(),
                });
            }
        }
        Ok(true)
    })
    .await?;
    match (there, wanted, who) {
        (false, ..) => Err(AuditError::NoBattle(battle_id)),
        (true, Some(wanted), None) => Err(AuditError::NoParticipant(wanted.to_owned())),
        (true, ..) => Ok(Replayed { fold, who, moments }),
    }
}

fn find(fold: &Fold, wanted: &str) -> Option<ParticipantId> {
    let everybody = fold.battle.participants();
    if let Ok(id) = wanted.parse() {
        return everybody.iter().map(|found| found.id()).find(|&found| found == id);
    }
    everybody.iter().find(|found| found.username().as_str() == wanted).map(|found| found.id())
}

/// The standings as they stand in receipts and in JSON.
pub(super) fn lines(fold: &Fold) -> Vec<Value> {
    let line = |(rank, found): (usize, &nimaora_domain::Participant)| {
        let Balance { points, shields, arrows } = found.balance();
        json!({
            "rank": rank,
            "participantId": found.id(),
            "username": found.username().as_str(),
            "points": points,
            "shields": shields,
            "arrows": arrows,
        })
    };
    (1..).zip(fold.battle.standings()).map(line).collect()
}

fn standings_json(fold: &Fold) -> Value {
    json!({
        "title": fold.battle.title(),
        "phase": fold.battle.phase(),
        "revision": fold.battle.revision(),
        "position": fold.position,
        "time": fold.time,
        "headHash": fold.chain,
        "standings": lines(fold),
    })
}

fn standings_text(fold: &Fold) -> String {
    let Some(revision) = fold.battle.revision() else {
        return "the battle did not exist yet\n".to_owned();
    };
    let time = fold.time.map(|time| time.to_string()).unwrap_or_default();
    let mut table = table(["rank", "name", "points", "shields", "arrows", "participant"]);
    for (rank, found) in (1..).zip(fold.battle.standings()) {
        let Balance { points, shields, arrows } = found.balance();
        let rank: usize = rank;
        table.add_row([
            rank.to_string(),
            found.username().as_str().to_owned(),
            points.to_string(),
            shields.to_string(),
            arrows.to_string(),
            found.id().to_string(),
        ]);
    }
    format!(
        "{} ({})\nrevision {revision}, position {}, {time}\nhead hash {}\n{table}\n",
        fold.battle.title(),
        format!("{:?}", fold.battle.phase()).to_lowercase(),
        fold.position,
        fold.chain,
    )
}

fn story_json(who: ParticipantId, moments: &[Moment]) -> Value {
    let moment = |moment: &Moment| {
        json!({
            "revision": moment.revision,
            "position": moment.position,
            "time": moment.time,
            "what": moment.what,
            "after": moment.after,
        })
    };
    json!({ "participantId": who, "events": moments.iter().map(moment).collect::<Vec<_>>() })
}

fn story_text(moments: &[Moment]) -> String {
    let mut table = table(["revision", "position", "time", "what", "points", "shields", "arrows"]);
    for moment in moments {
        table.add_row([
            moment.revision.to_string(),
            moment.position.to_string(),
            moment.time.to_string(),
            moment.what.clone(),
            moment.after.points.to_string(),
            moment.after.shields.to_string(),
            moment.after.arrows.to_string(),
        ]);
    }
    format!("{table}\n")
}

pub(super) fn table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED).set_header(header);
    table
}
