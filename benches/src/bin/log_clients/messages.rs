//! The few messages that are needed here.

/// What the bare echo is sent and sends back.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Echoed {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) bytes: Vec<u8>,
}

/// An event of UmaDB.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UmaEvent {
    #[prost(string, tag = "1")]
    pub(crate) event_type: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) tags: Vec<String>,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) data: Vec<u8>,
}

/// An append of UmaDB.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct UmaAppend {
    #[prost(message, repeated, tag = "1")]
    pub(crate) events: Vec<UmaEvent>,
}

/// Its answer.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct UmaAppended {
    #[prost(uint64, tag = "1")]
    pub(crate) position: u64,
}

/// A part of an append of the official client, its content not looked into.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct AppendPart {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) options: prost::bytes::Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) event: prost::bytes::Bytes,
}

/// What the official client is answered.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Appended {
    #[prost(message, optional, tag = "1")]
    pub(crate) success: Option<AppendedAt>,
}

/// Where its event went in its stream.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct AppendedAt {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) revision: Option<u64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) position: Option<AppendedWhere>,
}

/// Where it went in the whole log.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct AppendedWhere {
    #[prost(uint64, tag = "1")]
    pub(crate) commit: u64,
    #[prost(uint64, tag = "2")]
    pub(crate) prepare: u64,
}
