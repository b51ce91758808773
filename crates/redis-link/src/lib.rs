//! The connection to one Redis, to a cluster, or to the master that sentinels name: made when it is first needed, and again after it
//! was lost.
//!
//! | module | what it holds |
//! |---|---|
//! | [`url`] | the URLs that can be used, and [`UrlError`] |
//! | [`link`] | [`Link`]: gives commands on whatever the URL names |
//! | `sentinel` | the master of the moment, asked for again when it is another one |
//!
//! Nothing here knows what is kept in Redis. Nothing here waits without a bound, and nothing tries again for longer than a moment:
//! whoever asks does.

pub mod link;
mod sentinel;
pub mod url;

pub use link::{Link, LinkConfig, Question};
pub use url::UrlError;
