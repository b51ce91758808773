//! The leading process: makes the battle, leads the playing processes through it, and judges the result.

use std::time::Duration;

use nimaora_api::v1;
use uuid::Uuid;

use super::act::accepted_answer;
use super::api::{Api, Commands, Reply, Token, bearer, describe, with_token};
use super::args::{LoadArgs, Profile};
use super::audit::Audit;
use super::crew::{Progress, Setup};
use super::error::LoadError;
use super::facts::{Alert, Deed, Fact, Holding, Slot};
use super::link::{Message, Order};
use super::plan::Offer;
use super::record::Record;
use super::report::{Asked, Findings, Report};
use super::screen::{Phase, Screen};
use super::targets::Targets;
use super::usage::ServerUsage;
use super::verify::{AlertCount, Differences, check_alerts, fold};
use super::workers::Workers;

/// What everybody holds on joining: points to lose, and an arrow, so that attacks can begin at once.
const INITIAL: Holding = Holding { points: 10, shields: 0, arrows: 1 };
/// What a right answer earns, and which of the questions earn a shield too.
const REWARD: Holding = Holding { points: 10, shields: 0, arrows: 1 };
const SHIELD_EACH: u32 = 4;
/// The points that an attack takes.
const POINTS_PER_ATTACK: u32 = 1;

/// Plays one battle from its creation to the verdict.
pub(super) async fn run(args: &LoadArgs) -> Result<Report, LoadError> {
    let mut leader = Leader::new(args)?;
    // A server that is not there is told at once, not after the time for repeats.
    leader.usage().await?;
    leader.create().await?;
    let everyone = leader.join().await?;
    let played = leader.play(&everyone).await?;
    let (record, generator_cpu_seconds) = (played.record, played.generator_cpu_seconds);
    let mut facts = played.facts;
    let mut differences = Differences::default();
    let standings = fold(args.users, INITIAL, &mut facts, &mut differences);
    let settled = leader.settle(&facts, played.position).await?;
    settled.board_faults.into_iter().for_each(|fault| differences.add(fault));
    let alerts: AlertCount = check_alerts(&facts, settled.alerts, &mut differences);
    let position = leader.finish().await?;
    let audit = Audit {
        api: &leader.api,
        admin: &leader.admin,
        battle_id: &leader.battle_id,
        everyone: &everyone,
        standings: &standings,
        position,
    };
    audit.run(&mut differences).await?;
    leader.screen.finish();
    let findings = Findings {
        record,
        alerts,
        differences,
        sockets: played.sockets,
        sockets_reopened: settled.reconnects,
        boards_received: leader.progress().boards,
        boards_checked: leader.progress().boards_checked,
        server_cpu_seconds: played.server_cpu_seconds,
        server_rss_bytes: played.server_rss_bytes,
        generator_cpu_seconds,
    };
    Ok(Report::new(leader.asked(), findings))
}

struct Leader<'a> {
    args: &'a LoadArgs,
    offer: Offer,
    seed: u64,
    api: Api,
    targets: Targets,
    admin: Token,
    battle_id: String,
    workers: Workers,
    /// What each process said last of how it goes.
    progress: Vec<Progress>,
    screen: Screen,
}

/// What the measured phase left.
struct Played {
    facts: Vec<Fact>,
    record: Record,
    /// The highest position that anybody was answered.
    position: u64,
    /// The sockets that were open at the start.
    sockets: u64,
    generator_cpu_seconds: f64,
    server_cpu_seconds: f64,
    server_rss_bytes: u64,
}

/// What the sockets told.
#[derive(Default)]
struct Settled {
    alerts: Vec<Alert>,
    reconnects: u64,
    board_faults: Vec<String>,
}

impl<'a> Leader<'a> {
    fn new(args: &'a LoadArgs) -> Result<Self, LoadError> {
        let processes = args.processes.min(args.users);
        let targets = Targets::of(args)?;
        let api = Api::new(&targets)?;
        Ok(Self {
            offer: Offer::new(args.profile, args.users, args.duration, args.rate, args.joins_per_minute),
            seed: args.seed.unwrap_or_else(|| fastrand::u64(..)),
            api,
            targets,
            admin: bearer(&args.admin_token()?)?,
            battle_id: String::new(),
            workers: Workers::start(processes)?,
            progress: vec![Progress::default(); processes as usize],
            screen: Screen::new(args.users),
            args,
        })
    }

    fn progress(&self) -> Progress {
        let mut sum = Progress::default();
        self.progress.iter().for_each(|progress| sum.add(*progress));
        sum
    }

    fn asked(&self) -> Asked {
        let profile = match self.args.profile {
            Profile::Reference => "reference",
            Profile::Stress => "stress",
        };
        Asked {
            target: self.args.target.join(","),
            profile: profile.to_owned(),
            seed: self.seed,
            users: self.args.users,
            processes: u32::try_from(self.progress.len()).unwrap_or(u32::MAX),
            duration_seconds: self.args.duration.as_secs_f64(),
            rate_rps: self.offer.rate_rps,
        }
    }

    /// The next word of a process that is not about progress, which is shown.
    async fn next(&mut self) -> Result<(usize, Message), LoadError> {
        loop {
            match self.workers.next().await? {
                (process, Message::Progress(progress)) => {
                    self.progress[process] = progress;
                    let sum = self.progress();
                    self.screen.show(sum);
                }
                said => return Ok(said),
            }
        }
    }

    async fn create(&mut self) -> Result<(), LoadError> {
        let request = v1::CreateBattleRequest {
            command_id: Uuid::new_v4().to_string(),
            title: format!("Load of {} players, seed {}", self.args.users, self.seed),
            rules: Some(v1::Rules {
                participants_max: self.args.users,
                initial: Some(balance(INITIAL)),
                points_per_attack: POINTS_PER_ATTACK,
                join_closes_at_start: false,
            }),
            questions: (1..=self.offer.questions).map(question).collect(),
            schedule: None,
        };
        let created = self
            .command("create a battle", |mut commands, admin| {
                let request = with_token(request.clone(), &admin);
                async move { commands.create_battle(request).await }
            })
            .await?;
        self.battle_id = created.battle_id;
        self.screen.say(&format!(
            "battle {} on {}: {} players in {} processes, {:.0} joins a minute, then {:.1} operations a second for {} s; \
             seed {}",
            self.battle_id,
            self.args.target.join(","),
            self.args.users,
            self.progress.len(),
            self.offer.joins_per_minute,
            self.offer.rate_rps,
            self.args.duration.as_secs_f64(),
            self.seed
        ));
        Ok(())
    }

    /// Lets all players join, and answers their participant ids by slot.
    async fn join(&mut self) -> Result<Vec<String>, LoadError> {
        let joining =
            Duration::from_secs_f64(f64::from(self.args.users) * 60.0 / self.offer.joins_per_minute);
        self.screen.begin(Phase::Joining, joining);
        let processes = self.progress.len();
        for process in 0..processes {
            let range = self.slots(process);
            let setup = Setup {
                targets: self.targets.clone(),
                app_key: self.args.app_key.clone(),
                battle_id: self.battle_id.clone(),
                users: self.args.users,
                first: range.start,
                players: range.end - range.start,
                offer: self.offer,
                duration_ms: u64::try_from(self.args.duration.as_millis()).unwrap_or(u64::MAX),
                seed: self.seed.wrapping_add(process as u64),
                initial: INITIAL,
            };
            self.workers.order(process, Order::Join(setup)).await?;
        }
        let mut joined = vec![None; processes];
        while joined.iter().any(Option::is_none) {
            if let (process, Message::Joined { participants }) = self.next().await? {
                joined[process] = Some(participants);
            }
        }
        Ok(joined.into_iter().flatten().flatten().collect())
    }

    /// The players of a process: as many as of any other, give or take one.
    fn slots(&self, process: usize) -> std::ops::Range<Slot> {
        let (users, processes) = (u64::from(self.args.users), self.progress.len() as u64);
        let bound = |n: u64| Slot::try_from(users * n / processes).unwrap_or(Slot::MAX);
        bound(process as u64)..bound(process as u64 + 1)
    }

    async fn play(&mut self, everyone: &[String]) -> Result<Played, LoadError> {
        let before = self.usage().await?;
        let sockets = u64::from(self.args.users);
        let request = v1::StartBattleRequest {
            command_id: Uuid::new_v4().to_string(),
            battle_id: self.battle_id.clone(),
        };
        let started = self
            .command("start the battle", |mut commands, admin| {
                let request = with_token(request.clone(), &admin);
                async move { commands.start_battle(request).await }
            })
            .await?;
        self.screen.begin(Phase::Playing, self.args.duration);
        for process in 0..self.progress.len() {
            self.workers.order(process, Order::Play { everyone: everyone.to_vec() }).await?;
        }
        let (mut facts, mut record, mut generator_cpu_seconds) = (Vec::new(), Record::default(), 0.0);
        let mut playing = self.progress.len();
        while playing > 0 {
            match self.next().await?.1 {
                Message::Facts(some) => facts.extend(some),
                Message::Played { record: one, cpu_seconds } => {
                    record.add(&one);
                    generator_cpu_seconds += cpu_seconds;
                    playing -= 1;
                }
                Message::Progress(_)
                | Message::Joined { .. }
                | Message::Alerts(_)
                | Message::Settled { .. }
                | Message::Failed { .. } => {}
            }
        }
        let after = self.usage().await?;
        let position = facts.iter().map(|fact| fact.position).fold(started.position, u64::max);
        Ok(Played {
            facts,
            record,
            position,
            sockets,
            generator_cpu_seconds,
            server_cpu_seconds: after.cpu_seconds_since(before),
            server_rss_bytes: after.rss_bytes,
        })
    }

    /// Waits until the alerts of all attacks have come, or can be called missing.
    async fn settle(&mut self, facts: &[Fact], position: u64) -> Result<Settled, LoadError> {
        self.screen.begin(Phase::Settling, Duration::ZERO);
        for process in 0..self.progress.len() {
            let range = self.slots(process);
            let landed = facts.iter().filter_map(|fact| match fact.deed {
                Deed::Attacked { target, .. } if range.contains(&target) => Some((target, fact.position)),
                Deed::Joined | Deed::Answered { .. } | Deed::Attacked { .. } => None,
            });
            let landed = landed.collect();
            self.workers.order(process, Order::Settle { landed, position }).await?;
        }
        let mut all = Settled::default();
        let mut settling = self.progress.len();
        while settling > 0 {
            match self.next().await?.1 {
                Message::Alerts(some) => all.alerts.extend(some),
                Message::Settled { reconnects, board_faults } => {
                    all.reconnects += reconnects;
                    all.board_faults.extend(board_faults);
                    settling -= 1;
                }
                Message::Progress(_)
                | Message::Joined { .. }
                | Message::Facts(_)
                | Message::Played { .. }
                | Message::Failed { .. } => {}
            }
        }
        Ok(all)
    }

    /// Ends the battle: from the position that is answered on, nothing changes any more.
    async fn finish(&self) -> Result<u64, LoadError> {
        let request = v1::FinishBattleRequest {
            command_id: Uuid::new_v4().to_string(),
            battle_id: self.battle_id.clone(),
        };
        let finished = self
            .command("finish the battle", |mut commands, admin| {
                let request = with_token(request.clone(), &admin);
                async move { commands.finish_battle(request).await }
            })
            .await?;
        Ok(finished.position)
    }

    async fn usage(&self) -> Result<ServerUsage, LoadError> {
        ServerUsage::of_all(&self.targets)
            .await
            .map_err(|error| LoadError::Server { action: "tell its metrics", reason: error.to_string() })
    }

    async fn command<T, F>(
        &self,
        action: &'static str,
        attempt: impl Fn(Commands, Token) -> F,
    ) -> Result<T, LoadError>
    where
        F: Future<Output = Result<tonic::Response<T>, tonic::Status>>,
    {
        let mut retries = 0;
        let reply = self.api.command(&mut retries, |commands| attempt(commands, self.admin.clone())).await;
        let reason = match reply {
            Reply::Accepted(answer) => return Ok(answer),
            Reply::Refused(reason) => reason,
            Reply::Failed(status) | Reply::Unknown(status) => describe(&status),
        };
        Err(LoadError::Server { action, reason })
    }
}

fn question(number: u32) -> v1::NewQuestion {
    let shields = REWARD.shields + u32::from(number.is_multiple_of(SHIELD_EACH));
    v1::NewQuestion {
        kind: v1::QuestionKind::Number.into(),
        prompt: format!("What is {number} + 1?"),
        choices: Vec::new(),
        accepted_answers: vec![accepted_answer(number)],
        reward: Some(balance(Holding { shields, ..REWARD })),
        attempts_max: 1,
        opens_after_ms: 0,
        answering_time_ms: 0,
    }
}

fn balance(holding: Holding) -> v1::Balance {
    v1::Balance { points: holding.points, shields: holding.shields, arrows: holding.arrows }
}
