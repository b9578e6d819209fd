//! `samara relay`: the public server.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use samara_node::SweepConfig;
use samara_relay::{Config, Dht, Ice, LogFormat, OwnStun, TurnSecret};

use crate::args::Relay;
use crate::exit::{Code, Failure};
use crate::store;

/// Runs a relay until the user stops it. Its log goes to standard error,
/// `listening on http://ADDRESS` to standard output.
pub fn run(args: &Relay, store: Option<PathBuf>, json: bool) -> Result<(), Failure> {
    let mut config = Config::new(store::relay_folder(store)?);
    config.listen = args.listen;
    config.max_store = args.limit.max_size;
    config.limits.connections = args.max_connections;
    config.limits.connections_per_host = args.max_per_address;
    config.limits.forwarded_per_second = a_second(args.forward_limit);
    config.limits.forwarded_per_second_by_all = args.forward_limit_total.map(a_second);
    config.log_addresses = args.log_addresses;
    config.peers.clone_from(&args.peer);
    config.sympathy = args.sympathy;
    config.log = if json {
        LogFormat::Json
    } else {
        LogFormat::Text
    };
    let finding = &args.finding;
    config.dht = (!finding.no_dht).then(|| Dht {
        bootstrap: (!finding.bootstrap.is_empty()).then(|| finding.bootstrap.clone()),
        announce_port: finding.announce_port.map(Into::into),
        announce_blobs: finding.announce_blobs.map(|packets| SweepConfig {
            packets,
            ..SweepConfig::default()
        }),
    });
    config.bridges = !finding.no_bridges;
    config.ice = ice(args)?;
    crate::runtime()?.block_on(samara_relay::run(config))?;
    Ok(())
}

/// Nothing forwards more than 4 GiB a second.
fn a_second(bytes: NonZeroU64) -> NonZeroU32 {
    bytes.try_into().unwrap_or(NonZeroU32::MAX)
}

/// Where a secret is looked for if no file has it. A command line is seen by
/// everybody on the machine.
const TURN_SECRET: &str = "SAMARA_TURN_SECRET";

fn ice(args: &Relay) -> Result<Ice, Failure> {
    let turn_secret = if args.turn.is_empty() {
        None
    } else {
        Some(turn_secret(args)?)
    };
    Ok(Ice {
        own: match (args.no_stun, args.stun_listen) {
            (true, _) => OwnStun::Off,
            (false, Some(at)) => OwnStun::At(at),
            (false, None) => OwnStun::AsListen,
        },
        stun: args.stun.clone(),
        turn: args.turn.clone(),
        turn_secret,
        turn_lifetime: Duration::from_secs(args.turn_lifetime.into()),
    })
}

fn turn_secret(args: &Relay) -> Result<TurnSecret, Failure> {
    let usage = |message: String| Failure::new(Code::Usage, message);
    let text = match &args.turn_secret_file {
        Some(file) => std::fs::read_to_string(file)
            .map_err(|error| usage(format!("{} cannot be read: {error}", file.display())))?,
        None => std::env::var(TURN_SECRET).map_err(|_| {
            usage(format!(
                "a TURN server asks for credentials: name --turn-secret-file, or set {TURN_SECRET}"
            ))
        })?,
    };
    let secret = text.parse();
    secret.map_err(|error: samara_relay::EmptySecret| usage(error.to_string()))
}
