//! A thread that writes zeros ahead of the events, so that a commit seldom makes its file grow.

use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::segment::SegmentFile;

/// Zeros are written up to so many bytes ahead of the events.
const AHEAD_BYTES: u32 = 4 * 1024 * 1024;
/// More are written when fewer than so many bytes are left.
const AHEAD_BYTES_MIN: u32 = 2 * 1024 * 1024;
/// Zeros are written in pieces of so many bytes, each synced, so that a commit never waits behind many of them.
const PIECE_BYTES: usize = 256 * 1024;

struct Request {
    file: Arc<SegmentFile>,
    end: u64,
}

/// The thread's handle; dropping it ends the thread.
pub(super) struct Zeroing {
    requests: Option<SyncSender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Zeroing {
    /// Starts the thread.
    pub(super) fn start() -> io::Result<Self> {
        let (requests, inbox) = sync_channel(1);
        let thread = std::thread::Builder::new().name("log-zeroing".into()).spawn(move || run(&inbox))?;
        Ok(Self { requests: Some(requests), thread: Some(thread) })
    }

    /// Sees to it that enough of the file is zeroed behind `offset`. When the thread is busy, a later commit asks again.
    pub(super) fn ahead(&self, file: &Arc<SegmentFile>, offset: u32, capacity: u32) {
        let offset = u64::from(offset);
        let capacity = u64::from(capacity);
        if file.claimed() < capacity.min(offset + u64::from(AHEAD_BYTES_MIN)) {
            let end = capacity.min(offset + u64::from(AHEAD_BYTES));
            let request = Request { file: Arc::clone(file), end };
            // Full or gone: the next commit asks again, or makes the file grow.
            self.requests.as_ref().map(|requests| requests.try_send(request));
        }
    }
}

impl Drop for Zeroing {
    fn drop(&mut self) {
        self.requests = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that zeroes segments had panicked");
        }
    }
}

fn run(inbox: &Receiver<Request>) {
    let zeros = vec![0; PIECE_BYTES];
    while let Ok(request) = inbox.recv() {
        loop {
            match request.file.zero_ahead(&zeros, request.end) {
                Ok(reached) if reached < request.end => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::debug!(%error, "cannot write zeros ahead of the events; commits make the file grow");
                    break;
                }
            }
        }
    }
}
