//! From a command to the board in Redis, on a server under load.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nimaora_api::v1;
use nimaora_benches::players::{connect, id, with};
use nimaora_benches::process::beside;
use nimaora_benches::{Battle, BenchError, Child};
use nimaora_domain::{BattleId, ParticipantId};
use nimaora_read_models::Leaderboard;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use crate::servers::Servers;
use crate::{Args, Row, quantiles};

/// Between two attacks.
const PAUSE: Duration = Duration::from_millis(50);
/// Between two looks at the board.
const LOOK_INTERVAL: Duration = Duration::from_micros(500);
/// How long a score may take before the measurement is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A process that is ended when this is dropped.
struct Ended(std::process::Child);

impl Drop for Ended {
    fn drop(&mut self) {
        // It may have ended by itself; either way nothing is left of it.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) async fn measure(args: &Args, servers: &Servers) -> Result<Vec<Row>, BenchError> {
    let server = Child::server_with(&servers.settings())?;
    let battle = Battle::running(&server, 2).await?;
    let load = Command::new(beside("nimaora")?)
        .args(["load", "--target", &server.url, "--users", &args.load_users.to_string()])
        .args(["--rate", &args.load_per_second.to_string()])
        .args(["--duration", &format!("{}s", args.seconds)])
        .arg("--admin-token-file")
        .arg(server.folder.path().join("admin-token"))
        .stdin(Stdio::null())
        .stdout(Stdio::inherit())
        .spawn()?;
    let mut load = Ended(load);
    let mut ages_ms = Vec::new();
    while load.0.try_wait()?.is_none() {
        ages_ms.push(attack(&server, servers, &battle).await?.as_secs_f64() * 1_000.0);
        sleep(PAUSE).await;
    }
    let what =
        format!("command → board visible in Redis, {} operations a second beside it", args.load_per_second);
    Ok(vec![(format!("{what}, P50 / P99"), "P99 < 50 ms", quantiles(ages_ms))])
}

/// One attack; answers how long it took from the command to the target's new score.
async fn attack(server: &Child, servers: &Servers, battle: &Battle) -> Result<Duration, BenchError> {
    let [attacker, target] = &battle.players[..] else {
        return Err(BenchError::Invalid("there are not two players".to_owned()));
    };
    let boards = servers.leaderboard()?;
    let uuid = |text: &str| text.parse::<Uuid>().map_err(|error| BenchError::Invalid(error.to_string()));
    let (battle_id, target_id) = (BattleId(uuid(&battle.id)?), ParticipantId(uuid(&target.id)?));
    let points = async || {
        let board = boards.rank(battle_id, target_id).await.ok();
        board.and_then(|board| board.entries.first().map(|entry| entry.points))
    };
    let before = points().await;
    let mut client = connect(&server.url, 1).await?.remove(0);
    let attack = v1::AttackRequest { command_id: id(), target_id: target.id.clone() };
    let began = Instant::now();
    client.attack(with(attack, &attacker.bearer)).await?;
    let shown = async {
        while points().await == before {
            sleep(LOOK_INTERVAL).await;
        }
    };
    let late = |_| BenchError::Invalid("the board does not show the attack".to_owned());
    timeout(PATIENCE, shown).await.map_err(late)?;
    Ok(began.elapsed())
}
