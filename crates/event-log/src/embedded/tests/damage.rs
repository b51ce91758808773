//! What opening says of a log that is not as it was left.

use std::fs;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tempfile::TempDir;
use uuid::Uuid;

use super::{append, event, ids_of_all, open, small};
use crate::embedded::acknowledged::{self, Acknowledged, AcknowledgedFile};
use crate::embedded::frame::{self, Frame, FrameStart};
use crate::embedded::segment::{self, SEGMENT_HEADER_BYTES, SegmentHeader};
use crate::embedded::{EmbeddedLog, recovery};
use crate::error::OpenError;
use crate::log::EventLog;

/// A closed log's files.
struct Files {
    data_dir: TempDir,
    /// The segments in order, with the offsets where their frames begin, and where the last one ends.
    segments: Vec<(PathBuf, Vec<usize>)>,
    /// What `acknowledged` said before the last append.
    acknowledged_before_last: Vec<u8>,
}

impl Files {
    /// A log of `appends` appends in segments of `segment_bytes`.
    async fn new(appends: u128, segment_bytes: u32) -> Self {
        let data_dir = tempfile::tempdir().unwrap();
        let log = EmbeddedLog::open(data_dir.path(), small(segment_bytes)).unwrap();
        let mut acknowledged_before_last = Vec::new();
        for n in 0..appends {
            acknowledged_before_last = fs::read(data_dir.path().join("log/acknowledged")).unwrap();
            log.append(append(&format!("s{}", n % 3), [2 * n, 2 * n + 1])).await.unwrap();
        }
        log.close().await;
        let mut files = Self { data_dir, segments: Vec::new(), acknowledged_before_last };
        let mut paths: Vec<_> =
            fs::read_dir(files.dir()).unwrap().map(|entry| entry.unwrap().path()).collect();
        paths.retain(|path| segment::is_segment(path));
        paths.sort();
        files.segments = paths.into_iter().map(|path| (path.clone(), frames(&path))).collect();
        files
    }

    fn dir(&self) -> PathBuf {
        self.data_dir.path().join("log")
    }

    fn last(&self) -> (&Path, &[usize]) {
        let (path, frames) = self.segments.last().unwrap();
        (path, frames)
    }

    /// As if the process had been killed before the last append was acknowledged.
    fn forget_last_acknowledgement(&self) {
        fs::write(self.dir().join("acknowledged"), &self.acknowledged_before_last).unwrap();
    }

    /// The place and the last good position that opening refuses with. Nothing may change meanwhile.
    fn refusal(&self) -> Option<(PathBuf, u64, u64)> {
        let before = contents(&self.dir());
        let refused = match recovery::recover(&self.dir(), &small(1 << 20)) {
            Ok(_) => None,
            Err(OpenError::Damaged { file, offset, last_good, .. }) => Some((file, offset, last_good)),
            Err(other) => panic!("{other}"),
        };
        if refused.is_some() {
            assert!(before == contents(&self.dir()), "a refused log was changed");
        }
        refused
    }
}

/// Where the frames of a segment begin, and where the last one ends.
fn frames(path: &Path) -> Vec<usize> {
    let bytes = Bytes::from(fs::read(path).unwrap());
    let salt = segment::salt(SegmentHeader::parse(&bytes).unwrap().log_id);
    let mut offsets = vec![SEGMENT_HEADER_BYTES];
    while let Ok(frame) = Frame::parse(&bytes.slice(offsets[offsets.len() - 1]..), salt, false) {
        offsets.push(offsets[offsets.len() - 1] + frame.header.len as usize);
    }
    offsets
}

fn contents(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.clone(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

fn ids(range: std::ops::Range<u128>) -> Vec<Uuid> {
    range.map(Uuid::from_u128).collect()
}

/// Ways in which the end of a file may be lost.
const TEARS: [fn(&mut Vec<u8>, usize); 3] = [
    |bytes, at| bytes.truncate(at),
    |bytes, at| bytes[at..].fill(0),
    |bytes, at| {
        let len = bytes.len();
        bytes.truncate(at);
        bytes.resize(len, 0xa5);
    },
];

#[tokio::test]
async fn an_append_torn_at_any_byte_is_dropped_when_nobody_was_told() {
    let files = Files::new(4, 4_096).await;
    let (path, offsets) = files.last();
    let whole = fs::read(path).unwrap();
    let (begin, end) = (offsets[3], offsets[4]);
    for tear in TEARS {
        for at in begin..end {
            let mut torn = whole.clone();
            tear(&mut torn, at);
            let still_whole = torn.get(..end) == whole.get(..end);
            fs::write(path, torn).unwrap();
            files.forget_last_acknowledgement();
            let log = EmbeddedLog::open(files.data_dir.path(), small(4_096)).unwrap();
            let kept = if still_whole { 8 } else { 6 };
            assert_eq!(ids_of_all(&log).await, ids(0..kept), "torn at {at}");
            let appended = log.append(append("s3", [100])).await.unwrap();
            assert_eq!(u128::from(appended.first_position), kept + 1);
            log.close().await;
            if at % 16 == 0 {
                let log = EmbeddedLog::open(files.data_dir.path(), small(4_096)).unwrap();
                assert_eq!(log.status().await.unwrap().head, appended.last_position);
            }
        }
    }
}

#[tokio::test]
async fn an_acknowledged_append_torn_at_any_byte_is_refused() {
    let files = Files::new(4, 4_096).await;
    let (path, offsets) = files.last();
    let whole = fs::read(path).unwrap();
    for tear in TEARS {
        for at in offsets[3]..offsets[4] {
            let mut torn = whole.clone();
            tear(&mut torn, at);
            if torn.get(..offsets[4]) == whole.get(..offsets[4]) {
                continue;
            }
            fs::write(path, torn).unwrap();
            assert_eq!(files.refusal(), Some((path.to_owned(), offsets[3] as u64, 6)), "torn at {at}");
        }
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_refused_with_its_place() {
    let files = Files::new(12, 600).await;
    assert!(files.segments.len() > 2);
    let mut last_good = 0;
    for (path, offsets) in &files.segments {
        let whole = fs::read(path).unwrap();
        for at in 0..*offsets.last().unwrap() {
            let mut bad = whole.clone();
            bad[at] ^= 1 << (at % 8);
            fs::write(path, bad).unwrap();
            // A header that is hit is reported at the file's beginning; a frame at its own.
            let before = offsets.iter().filter(|offset| **offset <= at).count();
            let place = before.checked_sub(1).map_or(0, |frame| offsets[frame] as u64);
            let good = last_good + 2 * before.saturating_sub(1) as u64;
            assert_eq!(files.refusal(), Some((path.clone(), place, good)), "byte {at} of {}", path.display());
        }
        fs::write(path, whole).unwrap();
        last_good += 2 * (offsets.len() as u64 - 1);
    }
    assert_eq!(files.refusal(), None);
}

#[tokio::test]
async fn a_flipped_bit_in_what_nobody_was_told_of_is_dropped() {
    let files = Files::new(3, 4_096).await;
    files.forget_last_acknowledgement();
    let (path, offsets) = files.last();
    let mut bad = fs::read(path).unwrap();
    bad[offsets[2] + 30] ^= 4;
    fs::write(path, bad).unwrap();
    assert_eq!(ids_of_all(&open(files.data_dir.path())).await, ids(0..4));
}

#[tokio::test]
async fn a_frame_damaged_before_a_later_group_is_refused_even_when_nobody_noted_it() {
    let files = Files::new(4, 4_096).await;
    let (path, offsets) = files.last();
    let mut bad = fs::read(path).unwrap();
    bad[offsets[1]..offsets[2]].fill(0);
    fs::write(path, bad).unwrap();
    let salt = segment::salt(SegmentHeader::parse(&fs::read(path).unwrap()).unwrap().log_id);
    AcknowledgedFile::create(&files.dir(), salt, Acknowledged { position: 2, commit: 1 }).unwrap();
    assert_eq!(files.refusal(), Some((path.to_owned(), offsets[1] as u64, 2)));
}

#[tokio::test]
async fn segments_that_are_missing_swapped_cut_or_foreign_are_refused() {
    let files = Files::new(12, 600).await;
    let paths: Vec<_> = files.segments.iter().map(|(path, _)| path.clone()).collect();
    let aside = files.data_dir.path().join("aside");
    for (at, path) in paths.iter().enumerate() {
        fs::rename(path, &aside).unwrap();
        let (file, ..) = files.refusal().unwrap_or_else(|| panic!("segment {at} is missing"));
        assert_eq!(file, if at + 1 < paths.len() { paths[at + 1].clone() } else { paths[at - 1].clone() });
        fs::rename(&aside, path).unwrap();
    }
    fs::rename(&paths[0], &aside).unwrap();
    fs::rename(&paths[1], &paths[0]).unwrap();
    fs::rename(&aside, &paths[1]).unwrap();
    assert_eq!(files.refusal(), Some((paths[0].clone(), 0, 0)));
    fs::rename(&paths[0], &aside).unwrap();
    fs::rename(&paths[1], &paths[0]).unwrap();
    fs::rename(&aside, &paths[1]).unwrap();

    for (path, offsets) in &files.segments {
        let whole = fs::read(path).unwrap();
        for cut in [0, 10, offsets[0], offsets[1], offsets[1] + 1] {
            fs::write(path, &whole[..cut]).unwrap();
            assert!(files.refusal().is_some(), "{} cut to {cut}", path.display());
        }
        fs::write(path, whole).unwrap();
    }

    let foreign = Files::new(12, 600).await;
    let whole = fs::read(&paths[1]).unwrap();
    fs::copy(&foreign.segments[1].0, &paths[1]).unwrap();
    assert_eq!(files.refusal().map(|(file, offset, _)| (file, offset)), Some((paths[1].clone(), 0)));
    fs::write(&paths[1], whole).unwrap();
    let stray = files.dir().join("copy of 1.seg");
    fs::write(&stray, b"not a segment").unwrap();
    assert_eq!(files.refusal().map(|(file, ..)| file), Some(stray.clone()));
    fs::remove_file(stray).unwrap();
    assert_eq!(files.refusal(), None);
}

#[tokio::test]
async fn a_log_without_any_segment_is_refused_while_its_acknowledgements_are_there() {
    let files = Files::new(2, 4_096).await;
    fs::remove_file(files.last().0).unwrap();
    assert_eq!(files.refusal(), Some((acknowledged::path(&files.dir()), 0, 0)));
}

#[tokio::test]
async fn lost_acknowledgements_matter_only_when_the_tail_is_torn() {
    for spoil in [|path: PathBuf| fs::remove_file(path).unwrap(), |path| fs::write(path, b"spoilt").unwrap()]
    {
        let files = Files::new(3, 4_096).await;
        let (path, offsets) = files.last();
        let whole = fs::read(path).unwrap();
        fs::write(path, &whole[..offsets[3] - 1]).unwrap();
        spoil(files.dir().join("acknowledged"));
        assert_eq!(files.refusal(), Some((path.to_owned(), offsets[2] as u64, 4)));
        fs::write(path, whole).unwrap();
        assert_eq!(ids_of_all(&open(files.data_dir.path())).await, ids(0..6));
    }
}

/// A log of these groups, each of so many frames of one event, of which `acknowledged` groups were answered.
fn crafted(groups: &[usize], acknowledged: usize) -> (TempDir, PathBuf, Vec<Vec<usize>>) {
    let data_dir = tempfile::tempdir().unwrap();
    let dir = data_dir.path().join("log");
    fs::create_dir_all(&dir).unwrap();
    let log_id = Uuid::new_v4();
    let salt = segment::salt(log_id);
    let (path, _) = segment::create(&dir, SegmentHeader { log_id, first_position: 1 }).unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let mut offsets = Vec::new();
    let mut position = 1;
    for (commit, frames) in (1..).zip(groups) {
        let commit_start = bytes.len() as u32;
        let mut begins = Vec::new();
        for _ in 0..*frames {
            begins.push(bytes.len());
            let start = FrameStart {
                first_position: position,
                first_revision: position - 1,
                commit,
                commit_start,
                created_ms: 0,
            };
            frame::encode(&mut bytes, salt, start, "s", &[event(u128::from(position))]);
            position += 1;
        }
        offsets.push(begins);
    }
    bytes.resize(bytes.len() + 10_000, 0);
    fs::write(&path, bytes).unwrap();
    let position = groups[..acknowledged].iter().sum::<usize>() as u64;
    AcknowledgedFile::create(&dir, salt, Acknowledged { position, commit: acknowledged as u64 }).unwrap();
    (data_dir, path, offsets)
}

#[tokio::test]
async fn of_a_torn_group_what_comes_before_the_tear_is_kept_and_the_rest_dropped() {
    let (data_dir, path, offsets) = crafted(&[2, 1, 4], 2);
    let mut bad = fs::read(&path).unwrap();
    bad[offsets[2][1] + 60] ^= 1;
    fs::write(&path, bad).unwrap();
    let log = open(data_dir.path());
    assert_eq!(ids_of_all(&log).await, ids(1..5));
    log.append(append("s", [50])).await.unwrap();
    log.close().await;
    let expected = [ids(1..5), ids(50..51)].concat();
    assert_eq!(ids_of_all(&open(data_dir.path())).await, expected);
}

#[tokio::test]
async fn a_group_of_which_only_later_pages_reached_the_disk_is_dropped() {
    let (data_dir, path, offsets) = crafted(&[2, 4], 1);
    let mut bad = fs::read(&path).unwrap();
    bad[offsets[1][0]..offsets[1][2]].fill(0);
    fs::write(&path, bad).unwrap();
    assert_eq!(ids_of_all(&open(data_dir.path())).await, ids(1..3));
}

#[tokio::test]
async fn a_torn_group_behind_a_later_group_is_damage() {
    for at in 0..4 {
        let (data_dir, path, offsets) = crafted(&[2, 4, 1, 1], 0);
        let mut bad = fs::read(&path).unwrap();
        bad[offsets[1][at] + 8] ^= 1;
        fs::write(&path, bad).unwrap();
        let Err(OpenError::Damaged { offset, last_good, .. }) =
            EmbeddedLog::open(data_dir.path(), small(1 << 20))
        else {
            panic!("frame {at}");
        };
        assert_eq!((offset, last_good), (offsets[1][at] as u64, 2 + at as u64));
    }
}
