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
