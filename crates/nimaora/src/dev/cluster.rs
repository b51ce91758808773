//! `nimaora dev cluster`: starts everything, says where it is, stops it.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use nimaora_local_servers::Port;
use nimaora_runtime::telemetry::{self, LogFormat};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::DevError;
use super::chaos::Chaos;
use super::hold::Hold;
use super::node::{Node, Order};
use super::services::{self, Services};
use crate::config::Role;
use crate::signals::Signals;

/// Orders that may wait for one process. Whoever gives one more waits.
const ORDERS_MAX: usize = 8;

/// How large a cluster, where, and what befalls it.
#[derive(Args, Clone, Debug)]
pub struct ClusterArgs {
    /// The folder where everything is kept; a cluster that was there before goes on.
    #[arg(long, default_value = "./data/cluster", value_name = "DIR")]
    data_dir: PathBuf,
    /// Processes of each role.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=8))]
    each: u8,
    /// Kills one process of ours with kill -9 in each interval (as 10s), and starts it again.
    #[arg(long, value_parser = crate::load::parse_duration, value_name = "INTERVAL")]
    kill_every: Option<Duration>,
    /// Kills the stores' servers too.
    #[arg(long, requires = "kill_every")]
    kill_services: bool,
    /// What the choice of who is killed follows from; drawn when left out, and always printed.
    #[arg(long)]
    seed: Option<u64>,
}

/// The processes of ours.
struct Nodes {
    orders: Vec<(String, mpsc::Sender<Order>)>,
    ready: Vec<watch::Receiver<bool>>,
    running: JoinSet<Result<(), DevError>>,
    urls: Vec<(Role, String)>,
}

pub(super) async fn run(args: ClusterArgs) -> Result<(), DevError> {
    // Logs that are set up already are as good.
    let _ = telemetry::init_logs("warn", LogFormat::Text);
    let missing = services::missing();
    if !missing.is_empty() {
        return Err(DevError::Missing(missing));
    }
    let mut signals = Signals::new().map_err(DevError::io("wait for signals"))?;
    let dir = std::path::absolute(&args.data_dir).map_err(DevError::io("find the data folder"))?;
    let _held = Hold::take(&dir)?;
    say("starting PostgreSQL, PgBouncer, Redis and three NATS servers\n");
    let mut services = tokio::select! {
        services = Services::start(&dir) => services?,
        () = signals.next() => return Ok(()),
    };
    let mut nodes = Nodes::start(&args, &dir, &services)?;
    let outcome = tokio::select! {
        outcome = nodes.serve(&args, &dir, &mut services) => outcome,
        () = signals.next() => Ok(()),
    };
    say("stopping\n");
    nodes.stop().await;
    services.stop().await;
    say("stopped\n");
    outcome
}

impl Nodes {
    fn start(args: &ClusterArgs, dir: &Path, services: &Services) -> Result<Self, DevError> {
        let settings = dir.join("nimaora.toml");
        let secrets = dir.join("secrets");
        let text = format!("secrets_dir = \"{}\"\n{}", secrets.display(), services.settings());
        std::fs::write(&settings, text).map_err(DevError::io("write the settings"))?;
        make_keys(dir, &secrets)?;
        let mut nodes =
            Self { orders: Vec::new(), ready: Vec::new(), running: JoinSet::new(), urls: Vec::new() };
        for role in Role::ALL {
            for number in 0..args.each {
                let name = format!("{}-{number}", role.name());
                let (port, dir, settings) = (Port::free()?, dir.join(&name), settings.clone());
                nodes.add(Node { name, role, port, dir, settings });
            }
        }
        Ok(nodes)
    }

    fn add(&mut self, node: Node) {
        let (orders, taken) = mpsc::channel(ORDERS_MAX);
        let (ready, is_ready) = watch::channel(false);
        self.urls.push((node.role, node.url()));
        self.orders.push((node.name.clone(), orders));
        self.ready.push(is_ready);
        self.running.spawn(node.run(taken, ready));
    }

    /// Waits until everything serves, says so, and then for ever; kills now and then if that is asked for.
    async fn serve(
        &mut self,
        args: &ClusterArgs,
        dir: &Path,
        services: &mut Services,
    ) -> Result<(), DevError> {
        let all_ready = async {
            for ready in &mut self.ready {
                // One that is gone has an error to tell, which ends this wait.
                if ready.wait_for(|ready| *ready).await.is_err() {
                    std::future::pending::<()>().await;
                }
            }
        };
        tokio::select! {
            () = all_ready => {}
            Some(ended) = self.running.join_next() => return ended.unwrap_or(Ok(())),
        }
        say(&self.introduce(dir, services));
        let orders = self.orders.clone();
        let chaos = async {
            match args.kill_every {
                Some(every) => {
                    let seed = args.seed.unwrap_or_else(|| fastrand::u64(..));
                    say(&format!("one process is killed each {} s; seed {seed}\n", every.as_secs_f64()));
                    let random = fastrand::Rng::with_seed(seed);
                    Chaos { every, services_too: args.kill_services, random }.run(&orders, services).await;
                }
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = chaos => Ok(()),
            Some(ended) = self.running.join_next() => ended.unwrap_or(Ok(())),
        }
    }

    fn introduce(&self, dir: &Path, services: &Services) -> String {
        let of = |role: Role| {
            let urls = self.urls.iter().filter(|(its, _)| *its == role).map(|(_, url)| url.as_str());
            urls.collect::<Vec<_>>().join(",")
        };
        let (queries, commands, sockets) = (of(Role::Query), of(Role::Command), of(Role::Realtime));
        let token = dir.join("command-0").join("data").join("admin-token");
        let token = token.display();
        format!(
            "ready\n  queries      {queries}\n  commands     {commands}\n  sockets      {sockets}\n  projections  {}\n{}  \
             admin token  {token}\n  try          nimaora load --target {queries} --commands {commands} --sockets {sockets} \
             --admin-token-file {token} --users 500 --rate 500\n",
            of(Role::Projection),
            services.introduce(),
        )
    }

    async fn stop(mut self) {
        for (_, orders) in &self.orders {
            // One that is gone needs no order.
            let _ = orders.send(Order::Stop).await;
        }
        while let Some(ended) = self.running.join_next().await {
            if let Ok(Err(error)) = ended {
                tracing::error!(%error, "a process had not started");
            }
        }
    }
}

/// The keys are made here, because processes that start at the same moment would each make their own.
fn make_keys(dir: &Path, secrets: &Path) -> Result<(), DevError> {
    crate::serve::make_keys(dir, secrets).map_err(|error| DevError::Io {
        action: "make the keys of the cluster",
        source: std::io::Error::other(error),
    })
}

/// To standard output at once. A cluster whose output nobody reads goes on.
pub(super) fn say(text: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
