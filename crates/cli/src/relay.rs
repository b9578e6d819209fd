//! `samara relay`: the public server.

use std::path::PathBuf;

use samara_node::SweepConfig;
use samara_relay::{Config, Dht, LogFormat};

use crate::args::Relay;
use crate::exit::Failure;
use crate::store;

/// Runs a relay until the user stops it. Its log goes to standard error,
/// `listening on http://ADDRESS` to standard output.
pub fn run(args: &Relay, store: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let mut config = Config::new(store::relay_folder(store)?);
    config.listen = args.listen;
    config.max_store = args.limit.max_size;
    config.limits.connections = args.max_connections;
    config.log_addresses = args.log_addresses;
    config.peers.clone_from(&args.peer);
    config.sympathy = args.sympathy;
    config.log = if json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    config.dht = (!args.no_dht).then(|| Dht {
        bootstrap: (!args.bootstrap.is_empty()).then(|| args.bootstrap.clone()),
        announce_port: args.announce_port.map(Into::into),
        announce_blobs: args.announce_blobs.map(|packets| SweepConfig {
            packets,
            ..SweepConfig::default()
        }),
    });
    crate::runtime()?.block_on(samara_relay::run(config))?;
    Ok(())
}
