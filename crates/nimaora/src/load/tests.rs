//! A whole load against a whole server, in one process.

use clap::Parser;
use tokio::net::TcpListener;

use super::args::LoadArgs;
use super::leader;
use crate::config::Config;
use crate::serve::{self, Server};

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    load: LoadArgs,
}

async fn server(folder: &tempfile::TempDir) -> Server {
    let config = Config { data_dir: folder.path().to_owned(), ..Config::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = serve::start(config, listener).await.unwrap();
    server.ready().await;
    server
}

fn args(server: &Server, more: &[&str]) -> LoadArgs {
    let target = format!("http://{}", server.address());
    let token = server.admin_token_file();
    let own = ["load", "--target", &target, "--admin-token-file", token.to_str().unwrap()];
    Cli::parse_from(own.iter().chain(more)).load
}

#[tokio::test(flavor = "multi_thread")]
async fn a_battle_is_played_measured_and_verified() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let more = ["--users", "20", "--duration", "1s", "--rate", "300", "--seed", "7"];
    let report = leader::run(&args(&server, &more)).await.unwrap();
    assert!(report.verified, "{}", report.text());
    assert_eq!((report.success_rate, report.errors, report.sockets), (1.0, 0, 20), "{}", report.text());
    assert!(report.alerts.landed > 0, "{}", report.text());
    assert_eq!(report.alerts.on_socket, report.alerts.landed, "{}", report.text());
    assert!(report.server_rss_bytes > 0, "{}", report.text());
    assert!(report.requests > 100, "{}", report.text());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_admin_token_ends_the_load_with_the_servers_words() {
    let folder = tempfile::tempdir().unwrap();
    let server = server(&folder).await;
    let wrong = folder.path().join("wrong-token");
    std::fs::write(&wrong, "not a token").unwrap();
    let mut args = args(&server, &["--users", "2", "--duration", "1s"]);
    args.admin_token_file = Some(wrong);
    let error = leader::run(&args).await.err().unwrap().to_string();
    assert!(error.contains("create a battle") && error.contains("UNAUTHENTICATED"), "{error}");
    // A file without an end is not read to it.
    args.admin_token_file = Some("/dev/zero".into());
    let error = leader::run(&args).await.err().unwrap().to_string();
    assert!(error.contains("the token is none"), "{error}");
    server.stop().await;
}
