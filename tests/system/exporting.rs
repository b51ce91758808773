//! `nimaora audit export --format parquet`, read back with the format's own reader.

use std::fs::File;
use std::path::Path;

use nimaora_api::v1::Balance;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use serde_json::Value;

use crate::auditor::{audit, text};
use crate::players::{answer, attack, create_battle, join, start_battle};
use crate::server::Server;

/// The exit code and what was printed.
async fn export(args: &[&str]) -> (i32, String) {
    let output = audit(&[&["export"], args].concat()).await;
    (output.status.code().unwrap(), text(&output))
}

fn rows(path: &Path) -> Vec<Row> {
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    reader.get_row_iter(None).unwrap().map(Result::unwrap).collect()
}

/// The columns of a row by name, as JSON. A missing value is null.
fn column(row: &Row, name: &str) -> Value {
    let (_, field) = row.get_column_iter().find(|(column, _)| *column == name).unwrap();
    match field {
        Field::Null => Value::Null,
        Field::Long(number) | Field::TimestampMillis(number) => (*number).into(),
        Field::Str(text) => text.clone().into(),
        other => panic!("{name} is {other:?}"),
    }
}

#[tokio::test]
async fn an_export_as_parquet_holds_every_event_and_is_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path(), "127.0.0.1:0").await;
    let mut commands = server.commands().await;
    let initial = Balance { points: 100, shields: 0, arrows: 10 };
    let battle = create_battle(&mut commands, &server.admin_token(), initial).await;
    let ann = join(&mut commands, &battle, "ann").await;
    let bob = join(&mut commands, &battle, "bob").await;
    start_battle(&mut commands, &server.admin_token(), &battle).await;
    answer(&mut commands, &bob, 2, "cobol").await.unwrap();
    attack(&mut commands, &ann, &bob.participant_id).await.unwrap();
    drop(commands);

    let file = |name: &str| folder.path().join(name);
    let (live, after, lines) = (file("live.parquet"), file("after.parquet"), file("events.ndjson"));
    let dir = ["--data-dir", folder.path().to_str().unwrap()];
    let to = |path: &Path, more: &[&str]| {
        let mut args = vec![battle.clone(), "--output".to_owned(), path.to_str().unwrap().to_owned()];
        args.extend(more.iter().chain(&dir).map(|arg| (*arg).to_owned()));
        args
    };
    let run = async |args: Vec<String>| export(&args.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let as_parquet = ["--format", "parquet"];
    assert_eq!(run(to(&live, &as_parquet)).await.0, 0);
    assert_eq!(server.terminate().await, 0);
    assert_eq!(run(to(&lines, &[])).await.0, 0);
    // As a kill leaves it.
    std::fs::write(file("after.parquet.partial"), "half of a file").unwrap();
    let (code, said) = run(to(&after, &as_parquet)).await;
    assert!(code == 0 && said.starts_with("6 events up to position 6"), "{said}");
    let bytes = std::fs::read(&after).unwrap();
    assert_eq!(std::fs::read(&live).unwrap(), bytes);
    assert!(!file("after.parquet.partial").exists());
    // Again, and over something else.
    assert_eq!(run(to(&after, &as_parquet)).await.0, 0);
    let other = file("other");
    std::fs::write(&other, "somebody else's").unwrap();
    let (code, said) = run(to(&other, &as_parquet)).await;
    assert!(code == 2 && said.contains("it holds something else"), "{said}");
    assert_eq!(std::fs::read(&other).unwrap(), b"somebody else's");

    let rows = rows(&after);
    let lines = std::fs::read_to_string(&lines).unwrap();
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rows.len(), lines.len());
    for (row, line) in rows.iter().zip(&lines) {
        for (name, field) in [
            ("position", "position"),
            ("revision", "revision"),
            ("event_id", "id"),
            ("event_type", "type"),
            ("stored_at", "createdMs"),
            ("data", "data"),
            ("metadata", "metadata"),
        ] {
            assert_eq!(column(row, name), line[field], "{name}");
        }
        assert_eq!(column(row, "battle_id"), battle);
        let metadata: Value = serde_json::from_str(line["metadata"].as_str().unwrap()).unwrap();
        assert_eq!(column(row, "command_id"), metadata["commandId"]);
        assert_eq!(column(row, "actor"), metadata["actor"]);
        assert!(column(row, "decided_at").as_i64().unwrap() > 0);
    }
    let people = rows.iter().map(|row| (column(row, "participant_id"), column(row, "target_id")));
    let (ann, bob) = (Value::from(ann.participant_id), Value::from(bob.participant_id));
    let expected = [
        (Value::Null, Value::Null),
        (ann.clone(), Value::Null),
        (bob.clone(), Value::Null),
        (Value::Null, Value::Null),
        (bob.clone(), Value::Null),
        (ann, bob),
    ];
    assert_eq!(people.collect::<Vec<_>>(), expected);
    let part = file("part.parquet");
    assert_eq!(run(to(&part, &["--format", "parquet", "--from", "3", "--to", "4"])).await.0, 0);
    let reader = SerializedFileReader::new(File::open(&part).unwrap()).unwrap();
    assert_eq!(reader.metadata().file_metadata().num_rows(), 2);
}
