//! NATS with JetStream: one server, or three in a cluster.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::error::LocalServerError;
use crate::port::Port;
use crate::process::{Process, Recipe, make_dir};
use crate::programs::Program;
use crate::wire::Wire;

const NODES: usize = 3;
/// The largest message, in bytes: a group of events travels as one. NATS' own bound is 1 MiB unless it is told otherwise.
const MESSAGE_BYTES_MAX: usize = 9 * 1024 * 1024;

/// How a NATS server is set up.
#[derive(Clone, Copy, Debug)]
pub struct NatsOptions {
    /// Which program it is.
    pub program: Program,
    /// Whether each message is on disk before it is acknowledged. Debian's 2.9 cannot.
    pub sync_always: bool,
}

impl Default for NatsOptions {
    fn default() -> Self {
        Self { program: Program::Nats, sync_always: true }
    }
}

/// A NATS server with JetStream.
#[derive(Debug)]
pub struct Nats {
    client: Port,
    monitor: Port,
    _route: Option<Port>,
    /// Ports that are kept free.
    nowhere: Vec<Port>,
    /// To make it crash, hang or stop.
    pub process: Process,
}

impl Nats {
    /// Starts a server in `dir`.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path, options: NatsOptions) -> Result<Self, LocalServerError> {
        Self::start_with(dir, options, "").await
    }

    /// Starts a server in `dir` with further lines of configuration, which win over what is set here.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_with(dir: &Path, options: NatsOptions, lines: &str) -> Result<Self, LocalServerError> {
        let mut server = Self::spawn(dir, "nats", options, None, lines).await?;
        server.until_ready().await?;
        Ok(server)
    }

    async fn spawn(
        dir: &Path,
        name: &str,
        options: NatsOptions,
        route: Option<Port>,
        lines: &str,
    ) -> Result<Self, LocalServerError> {
        let program = options.program.find()?;
        make_dir(dir, false).await?;
        let (client, monitor) = (Port::free()?, Port::free()?);
        let file = dir.join("nats.conf");
        let text = configuration(name, &client, &monitor, options, lines);
        std::fs::write(&file, text).map_err(|source| LocalServerError::io("write", &file, source))?;
        let process = Process::start(recipe(dir, name, program, file))?;
        Ok(Self { client, monitor, _route: route, nowhere: Vec::new(), process })
    }

    /// The port for clients.
    pub fn port(&self) -> u16 {
        self.client.number()
    }

    /// How many subscriptions it knows.
    ///
    /// # Errors
    /// The server does not say so.
    pub async fn subscriptions(&self) -> std::io::Result<u64> {
        self.number("/subsz", "num_subscriptions").await
    }

    /// How many clients it has given up because they did not read.
    ///
    /// # Errors
    /// The server does not say so.
    pub async fn slow_consumers(&self) -> std::io::Result<u64> {
        self.number("/varz", "slow_consumers").await
    }

    async fn number(&self, path: &str, field: &str) -> std::io::Result<u64> {
        let answer = get(self.monitor.number(), path).await?;
        let number = answer.split(&format!("\"{field}\":")).nth(1).map(|rest| {
            rest.trim_start().chars().take_while(char::is_ascii_digit).collect::<String>().parse()
        });
        number.and_then(Result::ok).ok_or_else(|| std::io::Error::other(format!("no {field}")))
    }

    /// The URL of its monitor.
    pub fn monitor_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.monitor.number())
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// Starts it again after it was stopped or killed, and waits until it serves.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_again(&mut self) -> Result<(), LocalServerError> {
        self.process.start_again()?;
        self.until_ready().await
    }

    async fn until_ready(&mut self) -> Result<(), LocalServerError> {
        let port = self.monitor.number();
        self.process.until_ready(|| healthy(port)).await
    }
}

/// Three NATS servers that keep three copies of what is in JetStream.
#[derive(Debug)]
pub struct NatsCluster {
    /// The servers.
    pub nodes: Vec<Nats>,
}

impl NatsCluster {
    /// Starts a cluster in `dir` and waits until it has elected a leader.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start(dir: &Path, options: NatsOptions) -> Result<Self, LocalServerError> {
        make_dir(dir, false).await?;
        let ports = (0..NODES).map(|_| Port::free()).collect::<Result<Vec<_>, _>>()?;
        let routes: Vec<_> = ports.iter().map(|port| format!("nats://127.0.0.1:{}", port.number())).collect();
        let routes = routes.join(", ");
        let mut nodes = Vec::new();
        for (number, port) in ports.into_iter().enumerate() {
            let listen = port.number();
            let cluster =
                format!("cluster {{ name: nimaora, listen: \"127.0.0.1:{listen}\", routes: [{routes}] }}\n");
            let name = format!("nats-{number}");
            nodes.push(Nats::spawn(&dir.join(&name), &name, options, Some(port), &cluster).await?);
        }
        for node in &mut nodes {
            node.until_ready().await?;
        }
        Ok(Self { nodes })
    }

    /// Starts a cluster whose first server the others reach by a wire only, and which reaches nobody by itself: so it can be cut off
    /// while all of them live.
    ///
    /// # Errors
    /// [`LocalServerError`].
    pub async fn start_wired(dir: &Path, options: NatsOptions) -> Result<(Self, Wire), LocalServerError> {
        make_dir(dir, false).await?;
        let ports = (0..NODES).map(|_| Port::free()).collect::<Result<Vec<_>, _>>()?;
        let wire = Wire::to(ports[0].number()).await?;
        // Where nobody listens: for routes that are not to come about, of which the servers count how many there are.
        let nowhere = [Port::free()?, Port::free()?];
        let [nobody, no_one] = [&nowhere[0], &nowhere[1]].map(Port::number);
        let [first, second, third] = [wire.port(), ports[1].number(), ports[2].number()];
        let mut nodes = Vec::new();
        for (number, port) in ports.into_iter().enumerate() {
            let (routes, advertised) = match number {
                0 => ([nobody, no_one], first),
                1 => ([first, third], nobody),
                _ => ([first, second], no_one),
            };
            let routes = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(", ");
            let listen = port.number();
            let cluster = format!(
                "cluster {{ name: nimaora, listen: \"127.0.0.1:{listen}\", routes: [{routes}], \
                 advertise: \"127.0.0.1:{advertised}\" }}\n"
            );
            let name = format!("nats-{number}");
            nodes.push(Nats::spawn(&dir.join(&name), &name, options, Some(port), &cluster).await?);
        }
        for node in &mut nodes {
            node.until_ready().await?;
        }
        // Nobody else is given these ports for as long as the servers look for somebody there.
        nodes[0].nowhere = nowhere.into();
        Ok((Self { nodes }, wire))
    }

    /// The URLs of all servers, as clients take them: with commas.
    pub fn url(&self) -> String {
        self.nodes.iter().map(Nats::url).collect::<Vec<_>>().join(",")
    }
}

fn recipe(dir: &Path, name: &str, program: PathBuf, file: PathBuf) -> Recipe {
    let args: Vec<OsString> = vec!["--config".into(), file.into()];
    Recipe { name: name.to_owned(), program, args, dir: dir.to_owned(), not_as_root: false }
}

fn configuration(name: &str, client: &Port, monitor: &Port, options: NatsOptions, lines: &str) -> String {
    let sync = if options.sync_always { "sync_interval: always" } else { "" };
    let (client, monitor) = (client.number(), monitor.number());
    format!(
        "server_name: {name}\n\
         listen: \"127.0.0.1:{client}\"\n\
         http: \"127.0.0.1:{monitor}\"\n\
         max_payload: {MESSAGE_BYTES_MAX}\n\
         max_pending: 128MB\n\
         jetstream {{ store_dir: \"jetstream\", {sync} }}\n\
         {lines}"
    )
}

/// Whether the server says that it and its JetStream serve; in a cluster, that there is a leader.
async fn healthy(port: u16) -> bool {
    get(port, "/healthz").await.is_ok_and(|answer| answer.contains(" 200 "))
}

/// What the server's monitor answers, header and all.
async fn get(port: u16, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
