//! All groups: which there are, as the log keeps it, and which are at work in this server.

use std::collections::HashMap;
use std::sync::Arc;

use nimaora_event_log::log::SharedLog;
use nimaora_event_log::{Append, AppendError, Revision};
use nimaora_runtime::{Clock, Shutdown};
use serde::{Deserialize, Serialize};
use tokio::sync::{Mutex, mpsc, oneshot};
use tonic::Status;

use super::group::{AtWork, COMMANDS_MAX, Command};
use super::info::Numbers;
use super::keeping::{Checkpoints, Parked};
use super::settings::{Group, GroupId, Place, Start};
use crate::expressions::Expressions;
use crate::marks::Mark;
use crate::{refusal, standing, writing};

/// The stream that says which groups there are: each event holds all of them.
pub(super) const CATALOG: &str = "$persistentSubscriptionConfig";
/// The type of its events.
const CATALOG_TYPE: &str = "$PersistentConfig";
/// The most groups. When it is reached, further ones are refused.
const GROUPS_MAX: usize = 256;
/// How often it is tried again because another server changed the groups at the same time.
const RACES_MAX: usize = 5;
/// How often a group is asked that may be ending just then.
const ENDINGS_MAX: usize = 5;

/// The groups of a log.
#[derive(Clone)]
pub(crate) struct Groups(Arc<Inner>);

struct Inner {
    log: SharedLog,
    clock: Clock,
    pub(super) shutdown: Shutdown,
    expressions: Expressions,
    /// Those that have a task here. Held while groups are changed.
    at_work: Mutex<HashMap<GroupId, Working>>,
}

struct Working {
    group: Group,
    commands: mpsc::Sender<Command>,
}

/// All groups, as an event holds them.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Catalog {
    groups: Vec<Group>,
    #[serde(skip)]
    revision: Option<Revision>,
}

impl Catalog {
    fn at(&self, id: &GroupId) -> Option<usize> {
        self.groups.iter().position(|group| group.id == *id)
    }

    fn find(&self, id: &GroupId) -> Result<&Group, Status> {
        let found = self.at(id).and_then(|at| self.groups.get(at));
        found.ok_or_else(|| refusal::no_such_group(&id.source, &id.name))
    }
}

impl Groups {
    pub(crate) fn new(log: SharedLog, clock: Clock, shutdown: Shutdown, expressions: Expressions) -> Self {
        Self(Arc::new(Inner { log, clock, shutdown, expressions, at_work: Mutex::default() }))
    }

    pub(super) fn shutdown(&self) -> &Shutdown {
        &self.0.shutdown
    }

    pub(super) async fn create(&self, group: Group) -> Result<(), Status> {
        group.wanted(&self.0.expressions)?;
        let _held = self.0.at_work.lock().await;
        let id = group.id.clone();
        if self.catalog().await?.at(&id).is_some() {
            return Err(refusal::group_exists(&id.source, &id.name));
        }
        // What an earlier group of the name left behind is overwritten before there is a group again.
        let place = self.place(&group).await?;
        let log = &self.0.log;
        let read = |error| refusal::read(&error);
        let mut checkpoints = Checkpoints::load(log.clone(), &id).await.map_err(read)?;
        checkpoints.write(place).await.map_err(|error| refused(&error))?;
        let mut parked = Parked::load(log.clone(), &id, self.0.clock.now_ms()).await.map_err(read)?;
        parked.clear().await.map_err(|error| refused(&error))?;
        self.change(|catalog| {
            if catalog.at(&id).is_some() {
                return Err(refusal::group_exists(&id.source, &id.name));
            }
            if catalog.groups.len() >= GROUPS_MAX {
                return Err(Status::resource_exhausted(format!("there are {GROUPS_MAX} groups already")));
            }
            catalog.groups.push(group.clone());
            Ok(())
        })
        .await
    }

    /// Where a new group is before it has done anything.
    async fn place(&self, group: &Group) -> Result<Option<Place>, Status> {
        let read = |error| refusal::read(&error);
        let head = self.0.log.status().await.map_err(read)?.head;
        match group.settings.start {
            Start::Beginning => Ok(None),
            Start::At(place) if group.id.is_all() && place > head => {
                let reason = format!("position {place} is behind the log's last, {head}");
                Err(Status::invalid_argument(reason))
            }
            Start::At(place) => Ok(place.checked_sub(1).filter(|place| *place > 0 || !group.id.is_all())),
            Start::End if group.id.is_all() => Ok(Some(head).filter(|head| *head > 0)),
            Start::End => {
                let last = standing::last(&self.0.log, &group.id.source).await.map_err(read)?;
                Ok(last.map(|last| last.revision))
            }
        }
    }

    pub(super) async fn update(&self, id: &GroupId, change: impl Fn(&mut Group)) -> Result<(), Status> {
        let mut at_work = self.0.at_work.lock().await;
        self.change(|catalog| {
            let at = catalog.at(id).ok_or_else(|| refusal::no_such_group(&id.source, &id.name))?;
            if let Some(group) = catalog.groups.get_mut(at) {
                change(group);
            }
            Ok(())
        })
        .await?;
        cut_off(&mut at_work, id).await;
        Ok(())
    }

    pub(super) async fn delete(&self, id: &GroupId) -> Result<(), Status> {
        let mut at_work = self.0.at_work.lock().await;
        self.change(|catalog| {
            let at = catalog.at(id).ok_or_else(|| refusal::no_such_group(&id.source, &id.name))?;
            catalog.groups.remove(at);
            Ok(())
        })
        .await?;
        cut_off(&mut at_work, id).await;
        Ok(())
    }

    /// Cuts all consumers of all groups off.
    pub(super) async fn restart(&self) {
        let mut at_work = self.0.at_work.lock().await;
        let ids: Vec<GroupId> = at_work.keys().cloned().collect();
        for id in ids {
            cut_off(&mut at_work, &id).await;
        }
    }

    /// Asks the group's task, which is begun if need be.
    pub(super) async fn ask<T>(
        &self,
        id: &GroupId,
        question: impl Fn(oneshot::Sender<T>) -> Command,
    ) -> Result<(T, mpsc::Sender<Command>), Status> {
        for _ in 0..ENDINGS_MAX {
            let commands = self.open(id).await?;
            let (answer, answered) = oneshot::channel();
            if commands.send(question(answer)).await.is_ok()
                && let Ok(answer) = answered.await
            {
                return Ok((answer, commands));
            }
        }
        Err(Status::unavailable("the group ends again and again; try again"))
    }

    async fn open(&self, id: &GroupId) -> Result<mpsc::Sender<Command>, Status> {
        let mut at_work = self.0.at_work.lock().await;
        at_work.retain(|_, working| !working.commands.is_closed());
        let catalog = self.catalog().await?;
        let group = catalog.find(id)?;
        if let Some(working) = at_work.get(id) {
            if working.group == *group {
                return Ok(working.commands.clone());
            }
            // Another server changed it.
            cut_off(&mut at_work, id).await;
        }
        let (commands, waiting) = mpsc::channel(COMMANDS_MAX);
        let Inner { log, clock, shutdown, expressions, .. } = &*self.0;
        let (group, wanted) = (group.clone(), group.wanted(expressions)?);
        let work =
            AtWork::begin(log.clone(), clock.clone(), shutdown.clone(), group.clone(), wanted, waiting)
                .await?;
        shutdown.spawn(work.run());
        at_work.insert(id.clone(), Working { group, commands: commands.clone() });
        Ok(commands)
    }

    pub(super) async fn describe(&self, id: &GroupId) -> Result<(Group, Numbers), Status> {
        let group = self.catalog().await?.find(id)?.clone();
        let numbers = self.numbers(&group).await?;
        Ok((group, numbers))
    }

    /// All groups, or those of a stream, in the order of their names.
    pub(super) async fn list(&self, source: Option<&str>) -> Result<Vec<(Group, Numbers)>, Status> {
        let mut groups = self.catalog().await?.groups;
        groups.retain(|group| source.is_none_or(|source| group.id.source == source));
        groups.sort_by(|one, other| one.id.cmp(&other.id));
        let mut listed = Vec::with_capacity(groups.len());
        for group in groups {
            let numbers = self.numbers(&group).await?;
            listed.push((group, numbers));
        }
        Ok(listed)
    }

    /// From the group's task if it has one, else from the log.
    async fn numbers(&self, group: &Group) -> Result<Numbers, Status> {
        let working = self.0.at_work.lock().await.get(&group.id).map(|working| working.commands.clone());
        if let Some(commands) = working {
            let (answer, answered) = oneshot::channel();
            if commands.send(Command::Describe(answer)).await.is_ok()
                && let Ok(numbers) = answered.await
            {
                return Ok(numbers);
            }
        }
        let (log, now_ms) = (&self.0.log, self.0.clock.now_ms());
        let read = |error| refusal::read(&error);
        let checkpoint = Checkpoints::load(log.clone(), &group.id).await.map_err(read)?.place;
        let parked = Parked::load(log.clone(), &group.id, now_ms).await.map_err(read)?.count();
        Ok(Numbers {
            now_ms,
            since_ms: now_ms,
            checkpoint,
            last_read: checkpoint,
            parked,
            ..Numbers::default()
        })
    }

    async fn catalog(&self) -> Result<Catalog, Status> {
        let newest = standing::last(&self.0.log, CATALOG).await.map_err(|error| refusal::read(&error))?;
        let Some(newest) = newest else { return Ok(Catalog::default()) };
        let unreadable =
            |error| Status::failed_precondition(format!("{CATALOG} cannot be understood: {error}"));
        let catalog: Catalog = serde_json::from_slice(&newest.data).map_err(unreadable)?;
        Ok(Catalog { revision: Some(newest.revision), ..catalog })
    }

    /// Writes what groups there are, on top of what any server wrote before.
    async fn change(&self, change: impl Fn(&mut Catalog) -> Result<(), Status>) -> Result<(), Status> {
        let mut races = 0;
        loop {
            let mut catalog = self.catalog().await?;
            change(&mut catalog)?;
            let data =
                serde_json::to_vec(&catalog).map_err(|error| Status::invalid_argument(error.to_string()))?;
            let events = vec![writing::event_of(CATALOG_TYPE, Mark::Json, data.into())];
            let (stream, expected) = (CATALOG.into(), writing::exactly(catalog.revision));
            match self.0.log.append(Append { stream, expected, events }).await {
                Ok(_) => return Ok(()),
                Err(AppendError::WrongExpectedRevision { .. }) if races < RACES_MAX => races += 1,
                Err(error) => return Err(refused(&error)),
            }
        }
    }
}

/// The group's consumers are told that it was dropped; clients subscribe again.
async fn cut_off(at_work: &mut HashMap<GroupId, Working>, id: &GroupId) {
    if let Some(working) = at_work.remove(id) {
        let end = Command::End(refusal::group_dropped(&id.source, &id.name));
        // It may have ended by itself.
        let _ = working.commands.send(end).await;
    }
}

fn refused(error: &AppendError) -> Status {
    match error {
        AppendError::Invalid { .. } => Status::invalid_argument(error.to_string()),
        AppendError::WrongExpectedRevision { .. } | AppendError::Unavailable { .. } => {
            Status::unavailable(error.to_string())
        }
        AppendError::UnknownOutcome { .. } => refusal::timed_out(&error.to_string()),
    }
}
