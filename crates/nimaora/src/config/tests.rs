use std::io::Write;
use std::path::PathBuf;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn problems(sources: &Sources) -> Vec<String> {
    let ConfigError(problems) = sources.resolve().unwrap_err();
    problems.into_iter().map(|problem| format!("{}: {}", problem.source, problem.what)).collect()
}

#[test]
fn nothing_given_means_the_defaults() {
    let config = Sources::default().resolve().unwrap();
    let snapshot_dir = Some(PathBuf::from("./data/snapshots"));
    let command = nimaora_command_service::Config { snapshot_dir, ..Default::default() };
    assert_eq!(config, Config { command, ..Config::default() });
}

#[test]
fn a_flag_beats_the_environment_which_beats_the_file() {
    let file = file("data_dir = 'file'\n[realtime]\nboard_tick_ms = 1\nboard_top_n = 11\nsockets_max = 21\n");
    let sources = Sources {
        file: Some(file.path().to_owned()),
        environment: pairs(&[
            ("NIMAORA_REALTIME__BOARD_TOP_N", "12"),
            ("NIMAORA_REALTIME__SOCKETS_MAX", "22"),
            ("HOME", "somewhere"),
        ]),
        flags: pairs(&[("realtime.sockets_max", "23"), ("listen", "127.0.0.1:0")]),
    };
    let config = sources.resolve().unwrap();
    assert_eq!(config.data_dir, PathBuf::from("file"));
    assert_eq!(config.realtime.board_tick_ms, 1);
    assert_eq!(config.realtime.board_top_n, 12);
    assert_eq!(config.realtime.sockets_max, 23);
    assert_eq!(config.listen.port(), 0);
}

#[test]
fn every_problem_is_told_at_once_with_its_source() {
    let file = file("colour = 'red'\n[realtime]\nboard_tick_ms = 'soon'\n[kitchen]\n[limits]\nwindow = 3\n");
    let sources = Sources {
        file: Some(file.path().to_owned()),
        environment: pairs(&[("NIMAORA_QUERY__QUERIES_MAX", "-1"), ("NIMAORA_LISTEN", "everywhere")]),
        flags: pairs(&[("command.mailbox_commands_max", "0")]),
    };
    let found = problems(&sources);
    let name = file.path().display().to_string();
    for (source, words) in [
        (name.as_str(), "colour: unknown field"),
        (name.as_str(), "realtime.board_tick_ms: invalid type: string \"soon\""),
        (name.as_str(), "kitchen: unknown field"),
        (name.as_str(), "limits.window: unknown field"),
        ("variable NIMAORA_QUERY__QUERIES_MAX", "query.queries_max: invalid value: integer `-1`"),
        ("variable NIMAORA_LISTEN", "listen: invalid socket address"),
        ("setting command.mailbox_commands_max", "it is 0, and must be at least 1"),
    ] {
        assert!(
            found.iter().any(|p| p.starts_with(source) && p.contains(words)),
            "{words} is not in {found:#?}"
        );
    }
    assert_eq!(found.len(), 7, "{found:#?}");
}

#[test]
fn a_file_that_is_not_there_or_not_toml_is_a_problem() {
    let missing = Sources { file: Some(PathBuf::from("no/such/file.toml")), ..Sources::default() };
    assert!(problems(&missing)[0].contains("no/such/file.toml: cannot be read"));
    let broken = file("listen = \n");
    let sources = Sources { file: Some(broken.path().to_owned()), ..Sources::default() };
    assert!(problems(&sources)[0].contains("line 1"), "{:?}", problems(&sources));
}

#[test]
fn values_that_cannot_work_are_refused() {
    for (setting, value) in [
        ("realtime.app_key", "with/slash"),
        ("realtime.app_key", ""),
        ("realtime.app_secret", "<hidden>"),
        ("event_store.node_password", "too-short"),
        ("event_store.node_password", "long enough, but with @"),
        ("realtime.board_top_n", "101"),
        ("query.waiting_max", "4096"),
        ("query.waiting_anonymous_max", "1024"),
        ("limits.stream_window_bytes", "4000000000"),
        ("telemetry.log_filter", "info,,=="),
        ("telemetry.log_format", "loud"),
        ("limits.connections_max", "0"),
        ("limits.header_bytes_max", "1"),
        ("command.token_lifetime_ms", "1"),
        ("command.mailbox_commands_max", "9223372036854775807"),
        ("query.queries_max", "9223372036854775807"),
        ("query.watchers_max", "9223372036854775807"),
        ("read_models.readers_max", "4294967295"),
        ("limits.drain_timeout_ms", "9223372036854775807"),
        ("data_dir", ""),
    ] {
        let sources = Sources { flags: pairs(&[(setting, value)]), ..Sources::default() };
        let found = problems(&sources);
        assert!(found.len() == 1 && found[0].contains(setting), "{setting} = {value}: {found:?}");
    }
}

#[test]
fn a_node_that_others_send_commands_to_says_where_it_is() {
    let given = |url: &'static str| {
        let mut flags = vec![("stores.ownership", "nats://127.0.0.1:4222"), ("listen", "0.0.0.0:8080")];
        flags.extend((!url.is_empty()).then_some(("node.url", url)));
        Sources { flags: pairs(&flags), ..Sources::default() }
    };
    let found = problems(&given(""));
    assert!(found.len() == 1 && found[0].contains("node.url"), "{found:?}");
    assert!(given("http://10.0.0.7:8080").resolve().is_ok());
}

#[test]
fn text_stays_text_though_it_looks_like_a_number() {
    let sources = Sources {
        environment: pairs(&[("NIMAORA_REALTIME__APP_SECRET", "123"), ("NIMAORA_DATA_DIR", "7")]),
        flags: pairs(&[("command.snapshot_dir", "elsewhere")]),
        ..Sources::default()
    };
    let config = sources.resolve().unwrap();
    assert_eq!(config.realtime.app_secret, "123".to_owned().into());
    assert_eq!(config.data_dir, PathBuf::from("7"));
    assert_eq!(config.command.snapshot_dir, Some(PathBuf::from("elsewhere")));
}

#[test]
fn tokens_in_the_environment_are_no_settings() {
    let environment = pairs(&[("NIMAORA_ADMIN_TOKEN", "secret"), ("NIMAORA_CONFIG", "x.toml")]);
    assert!(Sources { environment, ..Sources::default() }.resolve().is_ok());
}

#[test]
fn secrets_are_not_printed_and_the_rest_can_be_read_again() {
    let flags = pairs(&[
        ("realtime.app_secret", "do-not-tell"),
        ("event_store.node_password", "do-not-tell-either"),
        ("realtime.board_tick_ms", "77"),
    ]);
    let config = Sources { flags, ..Sources::default() }.resolve().unwrap();
    let printed = config.to_toml_without_secrets().unwrap();
    assert!(!printed.contains("do-not-tell"));
    assert!(printed.contains("app_secret = \"<hidden>\""));
    assert!(!format!("{config:?}").contains("do-not-tell"));
    let is_hidden = |line: &&str| !line.ends_with("\"<hidden>\"");
    let without: String = printed.lines().filter(is_hidden).map(|line| format!("{line}\n")).collect();
    let kept = file(&without);
    let again = Sources { file: Some(kept.path().to_owned()), ..Sources::default() }.resolve().unwrap();
    assert_eq!(again.realtime.board_tick_ms, 77);
    assert_eq!(again.command, config.command);
}
