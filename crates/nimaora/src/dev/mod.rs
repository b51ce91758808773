//! `nimaora dev`: what helps to develop against a cluster, and to try what it bears. Nothing here is fit for data that matters.
//!
//! | module | what it holds |
//! |---|---|
//! | `cluster` | `nimaora dev cluster`: starts everything, says where it is, stops it |
//! | `services` | the stores: PostgreSQL behind PgBouncer, Redis, three NATS servers |
//! | `node` | one process of ours, started again when it dies |
//! | `chaos` | killing something now and then |
//! | `hold` | one cluster to a folder |
//! | `error` | [`DevError`] |

mod chaos;
mod cluster;
mod error;
mod hold;
mod node;
mod services;

use clap::{Args, Subcommand};

pub use cluster::ClusterArgs;
pub use error::DevError;

/// What is to be tried.
#[derive(Args, Debug)]
pub struct DevArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Starts a whole cluster on this machine: PostgreSQL behind PgBouncer, Redis, three NATS servers, and two processes of each
    /// role. It says 'ready' with the URLs, and stops all of it at SIGTERM or SIGINT.
    Cluster(ClusterArgs),
}

/// Does what is asked until it is over.
///
/// # Errors
/// [`DevError`]: something did not start.
pub async fn run(args: DevArgs) -> Result<(), DevError> {
    match args.what {
        What::Cluster(args) => cluster::run(args).await,
    }
}
