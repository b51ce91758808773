//! What the embedded event log could stand on, measured in one run: durable appends by size of the commit, and
//! reading everything in order. `cargo run --release -- speed` prints both; `-- damage` flips bytes instead and prints what each
//! store makes of it. Stores take turns in every round, so that a busy moment of the machine hits all alike.

mod damage;
mod replay;
mod stores;

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use stores::{Outcome, STORES, Store};

const EVENT_BYTES: usize = 256;
const BATCHES: [usize; 3] = [1, 64, 512];
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(700);
const READ_EVENTS: usize = 400 * 1_024;

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let what = arguments.next().unwrap_or_else(|| "speed".to_owned());
    let dir = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    match what.as_str() {
        "speed" => speed(&dir),
        "damage" => damage::run(&dir),
        "replay" => replay::run(&dir),
        other => Err(format!("'{other}' is none of speed, damage and replay").into()),
    }
}

fn speed(dir: &Path) -> Outcome<()> {
    let body = Bytes::from(vec![b'x'; EVENT_BYTES]);
    let folders: Vec<_> = STORES.iter().map(|_| tempfile::tempdir_in(dir)).collect::<Result<_, _>>()?;
    let mut columns: Vec<Vec<f64>> = Vec::new();
    {
        let mut stores = Vec::new();
        for ((_, open), folder) in STORES.iter().zip(&folders) {
            stores.push(open(folder.path())?);
        }
        for batch in BATCHES {
            columns.push(appends(&mut stores, batch, &body)?);
        }
    }
    drop(folders);
    columns.push(reads(dir, &body)?);
    print(&columns);
    Ok(())
}

/// Durable events per second of each store: the median of the rounds.
fn appends(stores: &mut [Box<dyn Store>], batch: usize, body: &Bytes) -> Outcome<Vec<f64>> {
    let mut rates = vec![Vec::new(); stores.len()];
    for _ in 0..ROUNDS {
        for (store, rates) in stores.iter_mut().zip(&mut rates) {
            store.append(batch, body)?;
            let begun = Instant::now();
            let mut events = 0;
            while begun.elapsed() < ROUND {
                store.append(batch, body)?;
                events += batch;
            }
            rates.push(events as f64 / begun.elapsed().as_secs_f64());
        }
    }
    Ok(rates.into_iter().map(median).collect())
}

/// Events per second of each store, read in order after opening anew: the median of the rounds.
fn reads(dir: &Path, body: &Bytes) -> Outcome<Vec<f64>> {
    let folders: Vec<_> = STORES.iter().map(|_| tempfile::tempdir_in(dir)).collect::<Result<_, _>>()?;
    for ((_, open), folder) in STORES.iter().zip(&folders) {
        let mut store = open(folder.path())?;
        for _ in 0..READ_EVENTS / 512 {
            store.append(512, body)?;
        }
    }
    let mut rates = vec![Vec::new(); STORES.len()];
    for _ in 0..ROUNDS {
        for (((name, open), folder), rates) in STORES.iter().zip(&folders).zip(&mut rates) {
            let mut store = open(folder.path())?;
            let begun = Instant::now();
            let (mut events, mut bytes) = (0, 0);
            store.read(&mut |body| {
                events += 1;
                bytes += body.len();
            })?;
            rates.push(READ_EVENTS as f64 / begun.elapsed().as_secs_f64());
            if (events, bytes) != (READ_EVENTS, READ_EVENTS * EVENT_BYTES) {
                return Err(format!("{name} read {events} events, {bytes} bytes").into());
            }
        }
    }
    Ok(rates.into_iter().map(median).collect())
}

fn median(mut rates: Vec<f64>) -> f64 {
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

fn print(columns: &[Vec<f64>]) {
    println!("| store | batch of 1, events/s | batch of 64 | batch of 512 | range read, events/s |");
    println!("|---|---|---|---|---|");
    for (row, (name, _)) in STORES.iter().enumerate() {
        let cells: Vec<_> = columns
            .iter()
            .map(|column| format!("{:.0} ({:.2})", column[row], column[row] / column[0]))
            .collect();
        println!("| {name} | {} |", cells.join(" | "));
    }
    println!("\nIn brackets: as a part of the first row's.");
}
