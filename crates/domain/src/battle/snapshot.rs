//! A battle as a snapshot: what must be kept of the state so that replay can begin behind it.
//!
//! A snapshot is a cache. One that an older or newer program wrote is refused by its format number, and the state is
//! folded from the log instead.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::battle::{Battle, Core, Index};

/// Grows with every change to what a snapshot holds, or to what its fields mean.
const FORMAT: u32 = 1;

impl Serialize for Battle {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (FORMAT, &self.core).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Battle {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (format, core) = <(u32, Core)>::deserialize(deserializer)?;
        if format != FORMAT {
            let error = format!("the snapshot has format {format}, and this program reads {FORMAT}");
            return Err(serde::de::Error::custom(error));
        }
        let mut index = Index::default();
        for (place, participant) in core.participants.iter().enumerate() {
            index.add(participant, place);
        }
        Ok(Self { core, index })
    }
}
