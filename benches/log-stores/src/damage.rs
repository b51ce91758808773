//! What each store makes of one changed byte in history that it had acknowledged.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use crate::stores::{Open, Outcome, STORES};

const COMMITS: usize = 200;
const COMMIT_EVENTS: usize = 5;
const EVENTS: usize = COMMITS * COMMIT_EVENTS;
const BODY_BYTES: usize = 256;
/// How many bytes are tried, evenly spread over each store's files.
const TRIES: usize = 400;

/// What came of a changed byte.
#[derive(Default)]
struct Tally {
    refused: usize,
    lost: usize,
    altered: usize,
    unharmed: usize,
    most_lost: usize,
}

/// Prints a row for each store.
pub fn run(dir: &Path) -> Outcome<()> {
    println!(
        "{COMMITS} commits of {COMMIT_EVENTS} events, then the files as a killed process leaves them, one byte changed"
    );
    println!("| store | refused | silently lost events (at most) | silently altered | no harm |");
    println!("|---|---|---|---|---|");
    std::panic::set_hook(Box::new(|_| {}));
    for (name, open) in STORES.iter().step_by(2) {
        let tally = try_store(dir, *open)?;
        println!(
            "| {name} | {} | {} ({}) | {} | {} |",
            tally.refused, tally.lost, tally.most_lost, tally.altered, tally.unharmed
        );
    }
    Ok(())
}

fn try_store(dir: &Path, open: Open) -> Outcome<Tally> {
    let image = tempfile::tempdir_in(dir)?;
    {
        let live = tempfile::tempdir_in(dir)?;
        let mut store = open(live.path())?;
        let body = Bytes::from(vec![b'x'; BODY_BYTES]);
        for _ in 0..COMMITS {
            store.append(COMMIT_EVENTS, &body)?;
        }
        copy(live.path(), image.path())?;
    }
    let places = places(image.path())?;
    let mut tally = Tally::default();
    for n in 0..TRIES {
        let (file, offset) = &places[n * places.len() / TRIES];
        let bad = tempfile::tempdir_in(dir)?;
        copy(image.path(), bad.path())?;
        let path = bad.path().join(file);
        let mut bytes = fs::read(&path)?;
        bytes[*offset] ^= 0xff;
        fs::write(&path, bytes)?;
        match read(open, bad.path()) {
            None => tally.refused += 1,
            Some((whole, others)) if whole < EVENTS && others == 0 => {
                tally.lost += 1;
                tally.most_lost = tally.most_lost.max(EVENTS - whole);
            }
            Some((whole, others)) if whole != EVENTS || others != 0 => tally.altered += 1,
            Some(_) => tally.unharmed += 1,
        }
    }
    Ok(tally)
}

/// How many events are as they were written and how many are not; `None` when the store refuses or panics.
fn read(open: Open, dir: &Path) -> Option<(usize, usize)> {
    let (mut whole, mut others) = (0, 0);
    let tried = AssertUnwindSafe(|| {
        open(dir).and_then(|mut store| {
            store.read(&mut |body| match body.len() == BODY_BYTES && body.iter().all(|byte| *byte == b'x') {
                true => whole += 1,
                false => others += 1,
            })
        })
    });
    catch_unwind(tried).ok()?.ok()?;
    Some((whole, others))
}

/// Every byte that is not zero, in every file: zeros are space that was set aside.
fn places(dir: &Path) -> Outcome<Vec<(PathBuf, usize)>> {
    let mut places = Vec::new();
    for path in files(dir)? {
        let relative = path.strip_prefix(dir)?.to_owned();
        let bytes = fs::read(&path)?;
        let used = (0..bytes.len()).filter(|at| bytes[*at] != 0);
        places.extend(used.map(|at| (relative.clone(), at)));
    }
    Ok(places)
}

fn files(dir: &Path) -> Outcome<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() { found.extend(files(&path)?) } else { found.push(path) }
    }
    found.sort();
    Ok(found)
}

fn copy(from: &Path, to: &Path) -> Outcome<()> {
    for path in files(from)? {
        let target = to.join(path.strip_prefix(from)?);
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(&path, &target)?;
    }
    Ok(())
}
