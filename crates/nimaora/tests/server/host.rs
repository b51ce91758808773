//! A server with a folder of its own, on a free port.

use std::path::Path;
use std::time::Duration;

use nimaora::client::{Connection, bearer, command_id, with_token};
use nimaora::config::{Config, Sources};
use nimaora::serve::{self, Server};
use nimaora_api::v1::{CreateBattleRequest, JoinRequest, JoinResponse, StartBattleRequest};
use tempfile::TempDir;
use tonic::metadata::{Ascii, MetadataValue};

/// Long enough for anything on a busy machine; a test that waits this long has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub struct Host {
    pub folder: TempDir,
    pub server: Server,
}

pub fn config(data_dir: &Path, settings: &[(&str, &str)]) -> Config {
    let mut flags = vec![
        ("listen".to_owned(), "127.0.0.1:0".to_owned()),
        ("data_dir".to_owned(), data_dir.display().to_string()),
        // Sockets close at once: there is no crowd to spread.
        ("realtime.drain_ms".to_owned(), "0".to_owned()),
    ];
    flags.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Sources { flags, ..Sources::default() }.resolve().unwrap()
}

pub async fn start_in(data_dir: &Path, settings: &[(&str, &str)]) -> Server {
    let config = config(data_dir, settings);
    let listener = serve::bind(config.listen).unwrap();
    let server = serve::start(config, listener).await.unwrap();
    tokio::time::timeout(PATIENCE, server.ready()).await.unwrap();
    server
}

impl Host {
    pub async fn start(settings: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = start_in(folder.path(), settings).await;
        Self { folder, server }
    }

    pub fn authority(&self) -> String {
        self.server.address().to_string()
    }

    pub async fn connection(&self) -> Connection {
        Connection::open(&format!("http://{}", self.authority())).await.unwrap()
    }

    pub fn admin(&self) -> MetadataValue<Ascii> {
        bearer(self.server.admin_token()).unwrap()
    }

    /// A running battle with one participant.
    pub async fn battle(&self, connection: &Connection) -> (String, JoinResponse) {
        let admin = self.admin();
        let create = CreateBattleRequest {
            command_id: command_id(),
            title: "A battle".to_owned(),
            rules: None,
            questions: nimaora::quiz::questions(0),
            schedule: None,
        };
        let mut commands = connection.commands();
        let created = commands.create_battle(with_token(create, Some(&admin))).await.unwrap().into_inner();
        let battle_id = created.battle_id;
        let start = StartBattleRequest { command_id: command_id(), battle_id: battle_id.clone() };
        commands.start_battle(with_token(start, Some(&admin))).await.unwrap();
        let join = JoinRequest {
            command_id: command_id(),
            battle_id: battle_id.clone(),
            username: "ada".to_owned(),
        };
        let joined = commands.join(with_token(join, None)).await.unwrap().into_inner();
        (battle_id, joined)
    }
}
