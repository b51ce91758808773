//! What a follower gets through real servers, on good days and on bad ones.

mod promises;
mod support;
