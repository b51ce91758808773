//! A stream or the whole log, read once, page by page.

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Direction, Position, Revision};
use tokio::sync::mpsc;
use tonic::Status;

use crate::convert;
use crate::filter::Wanted;
use crate::links::Form;
use crate::metrics;
use crate::refusal;
use crate::standing::Shown;
use crate::wire::client::streams::ReadResp;
use crate::wire::client::streams::read_resp::{Content, StreamNotFound};

/// How many events are taken from the log at once.
const PAGE_EVENTS: u64 = 1_024;

/// Where answers to one call go. The client is gone when sending fails.
pub(crate) type Answers = mpsc::Sender<Result<ReadResp, Status>>;

/// That nobody listens any more.
#[derive(Debug)]
pub(crate) struct Gone;

pub(crate) async fn send(answers: &Answers, content: Content) -> Result<(), Gone> {
    answers.send(Ok(ReadResp { content: Some(content) })).await.map_err(|_| Gone)
}

async fn fail(answers: &Answers, status: Status) -> Result<(), Gone> {
    answers.send(Err(status)).await.map_err(|_| Gone)
}

/// A stream to read.
pub(crate) struct StreamRead {
    pub(crate) stream: String,
    pub(crate) from: Revision,
    pub(crate) direction: Direction,
    pub(crate) limit: u64,
    /// Whether the client wants to know the stream's first and last revision.
    pub(crate) ends_wanted: bool,
    pub(crate) form: Form,
}

/// The whole log to read.
pub(crate) struct AllRead {
    pub(crate) from: Position,
    pub(crate) direction: Direction,
    pub(crate) limit: u64,
    pub(crate) wanted: Wanted,
    pub(crate) form: Form,
}

impl StreamRead {
    pub(crate) async fn run(
        self,
        log: SharedLog,
        shown: Shown,
        now_ms: i64,
        answers: Answers,
    ) -> Result<(), Gone> {
        let Shown::Events { first, last } = shown else {
            let stream_identifier = Some(convert::identifier(&self.stream));
            return send(&answers, Content::StreamNotFound(StreamNotFound { stream_identifier })).await;
        };
        if self.ends_wanted {
            send(&answers, Content::FirstStreamPosition(first)).await?;
        }
        self.pages(&log, first, now_ms, &answers).await?;
        if self.ends_wanted {
            send(&answers, Content::LastStreamPosition(last)).await?;
        }
        Ok(())
    }

    async fn pages(
        &self,
        log: &SharedLog,
        first: Revision,
        now_ms: i64,
        answers: &Answers,
    ) -> Result<(), Gone> {
        let mut left = self.limit;
        let mut from = match self.direction {
            Direction::Forwards => self.from.max(first),
            Direction::Backwards => self.from,
        };
        while left > 0 {
            let limit = usize::try_from(left.min(PAGE_EVENTS)).unwrap_or(usize::MAX);
            let page = match log.read_stream(&self.stream, from, self.direction, limit).await {
                Ok(page) => page,
                Err(error) => return fail(answers, refusal::read(&error)).await,
            };
            let Some(last) = page.last().map(|event| event.revision) else { return Ok(()) };
            metrics::sent(page.len() as u64);
            for event in page.into_iter().filter(|event| event.revision >= first) {
                let told = self.form.told(log, event, now_ms).await;
                answers.send(told).await.map_err(|_| Gone)?;
                left -= 1;
            }
            from = match self.direction {
                Direction::Forwards => last + 1,
                Direction::Backwards if last <= first => return Ok(()),
                Direction::Backwards => last - 1,
            };
        }
        Ok(())
    }
}

impl AllRead {
    pub(crate) async fn run(self, log: SharedLog, now_ms: i64, answers: Answers) -> Result<(), Gone> {
        let mut left = self.limit;
        let mut next = Some(self.from);
        while let (Some(from), 1..) = (next, left) {
            // An expression may pass over most of a page, so a small limit would make for many small pages.
            let wished = if self.wanted.has_expression() { PAGE_EVENTS } else { left.min(PAGE_EVENTS) };
            let limit = usize::try_from(wished).unwrap_or(usize::MAX);
            let page = match log.read_all(from, self.direction, limit, &self.wanted.in_log).await {
                Ok(page) => page,
                Err(error) => return fail(&answers, refusal::read(&error)).await,
            };
            let most = usize::try_from(left).unwrap_or(usize::MAX);
            let found = page.events.into_iter().filter(|event| self.wanted.lets_through(event));
            for event in found.take(most) {
                metrics::sent(1);
                let told = self.form.told(&log, event, now_ms).await;
                answers.send(told).await.map_err(|_| Gone)?;
                left -= 1;
            }
            // A filter that lets nothing through sends nothing, and would not notice.
            if answers.is_closed() {
                return Err(Gone);
            }
            next = page.next;
        }
        Ok(())
    }
}
