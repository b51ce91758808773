//! Each rule and each refusal, one file per command, and what holds for all of them.

mod answer;
mod attack;
mod authority;
mod create;
mod erase;
mod join;
mod judge;
mod lapse;
mod leave;
mod lifecycle;
mod properties;
mod refusals;
mod remove;
mod repeats;
mod session;
