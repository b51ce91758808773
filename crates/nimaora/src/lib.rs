//! The nimaora program as a library, so that tests and the demo start the same server as the command line.
//!
//! | module | what it holds |
//! |---|---|
//! | [`cli`] | the command line: what can be asked, and what is answered when it fails |
//! | [`audit`] | `nimaora audit`: what proves that log and read models say the same |
//! | [`config`] | every setting of every role, from file, environment and flags |
//! | [`serve`] | a server: every role on one port |
//! | [`demo`] | `nimaora demo`: a battle of bots in the terminal |
//! | [`dev`] | `nimaora dev cluster`: a whole cluster on this machine |
//! | [`projections`] | `nimaora projections`: how far the read models are, and what they lack |
//! | [`play`] | `nimaora client`: one command of the public API each |
//! | [`quiz`] | ten questions for the demo and for a first battle by hand |
//! | [`load`] | `nimaora load`: virtual players that measure and prove |
//! | [`client`] | what demo, client and load speak to a server with |
//!
//! This is the composition root: the only crate that names an adapter of a port. It holds no rule of the game.

pub mod audit;
pub mod cli;
pub mod client;
pub mod config;
pub mod demo;
pub mod dev;
pub mod load;
pub mod play;
pub mod projections;
pub mod quiz;
pub mod serve;
mod signals;
