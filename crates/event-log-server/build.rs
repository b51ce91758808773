//! Compiles the protocol's files without protoc. The client's side is for tests.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from(std::env::var("CARGO_MANIFEST_DIR")?).join("../../proto");
    println!("cargo:rerun-if-changed={}", root.join("event_store").display());
    let files = ["shared", "streams", "persistent", "server_features", "gossip"]
        .map(|name| format!("event_store/{name}.proto"));
    let descriptors = protox::compile(files, [&root])?;
    tonic_prost_build::configure().bytes(".").compile_fds(descriptors)?;
    Ok(())
}
