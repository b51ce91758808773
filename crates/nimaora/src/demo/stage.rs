//! The battle from its creation to its end.

use std::sync::Arc;
use std::time::Duration;

use nimaora_api::v1::{
    CreateBattleRequest, CreateBattleResponse, FinishBattleRequest, GetLeaderboardRequest,
    GetLeaderboardResponse, Rules, Schedule, StartBattleRequest,
};
use nimaora_runtime::{Clock, Shutdown};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::{Code, Response, Status};

use super::bot::{Arena, Bot};
use super::guests::Guests;
use super::scene::{Board, Scene, View};
use super::screen::{Progress, Screen};
use super::{DemoError, onlookers, referee};
use crate::client::{APP_KEY, Connection, PusherSocket, bearer, command_id, with_token};
use crate::quiz::{self, INITIAL, POINTS_PER_ATTACK, RIDDLES};
use crate::serve::Server;

/// Bots that share a gRPC connection.
const BOTS_PER_CONNECTION: u32 = 25;
/// How long the last alerts may take after the battle is over.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);
const SETTLE_POLL: Duration = Duration::from_millis(10);
/// How long tasks may take to end.
const STOP_TIMEOUT: Duration = Duration::from_secs(5);
/// How much sooner than the schedule says a battle is started and finished: its timers are there for the pages that show them.
const AHEAD: Duration = Duration::from_secs(1);
/// How often the screen is drawn.
const FRAME: Duration = Duration::from_millis(100);

/// How a battle is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// How many bots play.
    pub(super) bots: u32,
    /// How long it lasts.
    pub(super) duration: Duration,
    /// What the bots' choices follow from.
    pub(super) seed: u64,
    /// For how long it takes joins before it starts.
    pub(super) gathering: Duration,
}

/// What came of the battle.
pub(super) struct Played {
    pub(super) standings: GetLeaderboardResponse,
    pub(super) view: View,
    pub(super) players: u32,
    pub(super) took: Duration,
    /// Whether somebody took part or looked on who is no bot.
    pub(super) had_company: bool,
}

/// Plays a battle to its end and shows it.
pub(super) async fn play(round: Round, server: &Server) -> Result<Played, DemoError> {
    let authority = server.address().to_string();
    let url = format!("http://{authority}");
    let admin = bearer(server.admin_token()).ok_or(DemoError::Token)?;
    let connection = Connection::open(&url).await?;
    // The last question opens with a fifth of the time to go.
    let opens_every = round.duration.mul_f64(0.8) / u32::try_from(RIDDLES.len() - 1).unwrap_or(u32::MAX);
    let created = Instant::now();
    let CreateBattleResponse { battle_id, join_code, .. } =
        create(&connection, &admin, round, opens_every).await?;
    super::print(&format!(
        "Play along in a browser:  {url}/#/battle/{join_code}\n\
         Watch on a big screen:    {url}/#/watch/{join_code}\n\n"
    ))?;

    let (scene, listening) = (Arc::new(Scene::new()), Shutdown::new());
    let bots = join(round.bots, &url, &battle_id, round.seed).await?;
    scene.count(|counts| counts.commands += u64::from(round.bots) + 2);
    watch(&authority, &battle_id, Arc::clone(&scene), &listening).await?;
    for bot in &bots {
        bot.listen(&authority, &battle_id, Arc::clone(&scene), &listening).await?;
    }
    let referee =
        referee::start(connection.clone(), admin.clone(), battle_id.clone(), Arc::clone(&scene), &listening);

    sleep_until(created + round.gathering.saturating_sub(AHEAD)).await;
    let start = StartBattleRequest { command_id: command_id(), battle_id: battle_id.clone() };
    let answered = connection.commands().start_battle(with_token(start, Some(&admin))).await;
    unless_done(answered).map_err(DemoError::refused("start the battle"))?;
    let started = Instant::now();
    let ends = match round.gathering {
        Duration::ZERO => started + round.duration,
        gathering => created + gathering + round.duration - AHEAD,
    };
    let ids: Vec<String> = bots.iter().map(|bot| bot.participant_id.clone()).collect();
    let known = ids.iter().cloned().collect();
    let guests = Guests::start(connection.clone(), battle_id.clone(), known, &listening);
    let arena =
        Arc::new(Arena { scene: Arc::clone(&scene), referee, started, ends, opens_every, bots: ids, guests });
    let took = act(round, bots, &arena).await?;

    let finish = FinishBattleRequest { command_id: command_id(), battle_id: battle_id.clone() };
    let finished = connection.commands().finish_battle(with_token(finish, Some(&admin))).await;
    let finished = unless_done(finished).map_err(DemoError::refused("finish the battle"))?;
    let position = finished.map_or(0, |finished| finished.position);
    scene.count(|counts| counts.commands += 1);
    let deadline = Instant::now() + SETTLE_TIMEOUT;
    while !scene.is_settled() && Instant::now() < deadline {
        sleep(SETTLE_POLL).await;
    }
    let asked =
        GetLeaderboardRequest { battle_id, min_position: position, ..GetLeaderboardRequest::default() };
    let standings = connection.queries().get_leaderboard(with_token(asked, None)).await;
    let standings = standings.map_err(DemoError::refused("tell the standings"))?.into_inner();
    // The demo itself has a socket for each bot and one for the screen.
    let had_company = standings.total > round.bots || onlookers::are_there(&authority, round.bots + 1).await;
    listening.finish(STOP_TIMEOUT).await;
    Ok(Played { standings, view: scene.view(), players: round.bots, took, had_company })
}

/// The answer, or nothing where the server's own timer did it already.
fn unless_done<T>(answered: Result<Response<T>, Status>) -> Result<Option<T>, Status> {
    match answered {
        Ok(answer) => Ok(Some(answer.into_inner())),
        Err(status) if status.code() == Code::FailedPrecondition => Ok(None),
        Err(status) => Err(status),
    }
}

/// When a battle that people can join beforehand starts and ends, so that their pages show how long that is.
fn schedule(round: Round) -> Option<Schedule> {
    let now_ms = Clock::system().now_ms();
    let after = |time: Duration| {
        nimaora_api::timestamp(now_ms.saturating_add(i64::try_from(time.as_millis()).unwrap_or(i64::MAX)))
    };
    (!round.gathering.is_zero()).then(|| Schedule {
        starts_at: Some(after(round.gathering)),
        ends_at: Some(after(round.gathering + round.duration)),
    })
}

async fn create(
    connection: &Connection,
    admin: &MetadataValue<Ascii>,
    round: Round,
    opens_every: Duration,
) -> Result<CreateBattleResponse, DemoError> {
    let rules = Rules { initial: Some(INITIAL), points_per_attack: POINTS_PER_ATTACK, ..Rules::default() };
    let wish = CreateBattleRequest {
        command_id: command_id(),
        title: "Battle of the bots".to_owned(),
        rules: Some(rules),
        questions: quiz::questions(u64::try_from(opens_every.as_millis()).unwrap_or(u64::MAX)),
        schedule: schedule(round),
    };
    let created = connection.commands().create_battle(with_token(wish, Some(admin))).await;
    Ok(created.map_err(DemoError::refused("create a battle"))?.into_inner())
}

async fn join(players: u32, url: &str, battle_id: &str, seed: u64) -> Result<Vec<Bot>, DemoError> {
    let mut joining = JoinSet::new();
    for first in (0..players).step_by(BOTS_PER_CONNECTION as usize) {
        let connection = Connection::open(url).await?;
        for number in first..(first + BOTS_PER_CONNECTION).min(players) {
            joining.spawn(Bot::join(number, connection.clone(), battle_id.to_owned(), seed));
        }
    }
    let mut bots = Vec::new();
    while let Some(joined) = joining.join_next().await {
        bots.push(joined??);
    }
    Ok(bots)
}

/// Opens the spectator's socket, which the boards on the screen come from.
async fn watch(
    authority: &str,
    battle_id: &str,
    scene: Arc<Scene>,
    shutdown: &Shutdown,
) -> Result<(), DemoError> {
    let mut socket = PusherSocket::connect(authority, APP_KEY).await?;
    socket.subscribe(&format!("battle.{battle_id}"), None).await?;
    let stop = shutdown.clone();
    shutdown.spawn(async move {
        let read = async {
            while let Ok(event) = socket.next_event().await {
                if event.name == "leaderboard.updated" {
                    match event.read::<Board>() {
                        Ok(board) => scene.board(board),
                        Err(_) => scene.count(|counts| counts.failed += 1),
                    }
                }
            }
        };
        tokio::select! {
            () = stop.requested() => {}
            () = read => scene.count(|counts| counts.failed += 1),
        }
    });
    Ok(())
}

/// Lets the bots play and draws what happens; answers how long that took.
async fn act(round: Round, bots: Vec<Bot>, arena: &Arc<Arena>) -> Result<Duration, DemoError> {
    let mut playing: JoinSet<()> = bots.into_iter().map(|bot| bot.play(Arc::clone(arena))).collect();
    let mut screen = Screen::new();
    let mut frames = tokio::time::interval(FRAME);
    let give_up = arena.ends + STOP_TIMEOUT;
    while !playing.is_empty() && Instant::now() < give_up {
        tokio::select! {
            Some(played) = playing.join_next() => played?,
            _ = frames.tick() => screen.draw(&arena.scene.view(), progress(round, arena))?,
        }
    }
    screen.draw(&arena.scene.view(), progress(round, arena))?;
    screen.end()?;
    Ok(arena.started.elapsed())
}

fn progress(round: Round, arena: &Arena) -> Progress {
    let elapsed = arena.started.elapsed();
    let opened = elapsed.as_secs_f64() / arena.opens_every.as_secs_f64();
    Progress {
        players: round.bots,
        question: (opened as usize + 1).min(RIDDLES.len()),
        questions: RIDDLES.len(),
        left: round.duration.saturating_sub(elapsed),
        done: (elapsed.as_secs_f64() / round.duration.as_secs_f64()).min(1.0),
    }
}
