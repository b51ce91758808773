//! What a follower gets through real servers, on good days and on bad ones.

mod bad_days;
mod cluster;
mod promises;
mod routes;
mod sharing;
mod support;
