//! What can be typed.

use std::net::SocketAddr;
use std::num::{NonZeroU16, NonZeroU64};
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, ArgGroup, Parser, Subcommand};
use samara_node::{IceServer, PeerUrl, PortRange};
use samara_relay::IceUrl;

use crate::exit::EXIT_CODES;

/// Share files as encrypted blobs. Whoever has the link can read the file;
/// nobody in between can.
#[derive(Debug, Parser)]
#[command(name = "samara", version, after_help = EXIT_CODES, max_term_width = 90)]
pub struct Args {
    /// Folder that keeps the blobs [default: this platform's data folder]
    #[arg(long, global = true, value_name = "DIR")]
    pub store: Option<PathBuf>,

    /// Write events to standard error as JSON, one a line
    #[arg(long, global = true)]
    pub json: bool,

    /// Say on standard error what happens inside; twice for more
    #[arg(short, long, global = true, action = ArgAction::Count)]
    pub verbose: u8,

    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Cut a file into sealed blobs and keep them; prints what opens it
    #[command(after_help = EXIT_CODES)]
    Ingest(Ingest),
    /// Serve a file's blobs until stopped
    #[command(visible_alias = "blob-seed", after_help = EXIT_CODES)]
    Seed(Seed),
    /// Get a file from whoever holds its blobs; goes on where it stopped
    #[command(visible_alias = "blob-fetch", after_help = EXIT_CODES)]
    Fetch(Fetch),
    /// Say what the store holds and, while another command runs on it, with whom
    /// that is connected
    #[command(visible_alias = "blob-status", after_help = EXIT_CODES)]
    Status(Status),
    /// Run a relay: a page for browsers, rooms to meet in, a keeper of blobs
    #[command(after_help = EXIT_CODES)]
    Relay(Relay),
}

#[derive(Debug, clap::Args)]
pub struct Ingest {
    /// The file
    #[arg(short, long, value_name = "FILE")]
    pub input: PathBuf,

    /// Write the entry here instead of to standard output
    #[arg(short, long, value_name = "ENTRY.json")]
    pub output: Option<PathBuf>,

    /// Also print the link as this relay's page opens it; repeatable
    #[arg(long, value_name = "URL")]
    pub relay: Vec<PeerUrl>,

    #[command(flatten)]
    pub limit: Limit,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct Seed {
    #[command(flatten)]
    pub what: What,

    #[command(flatten)]
    pub copies: Copies,

    #[command(flatten)]
    pub network: Network,

    #[command(flatten)]
    pub manners: Manners,

    #[command(flatten)]
    pub limit: Limit,
}

#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("what").required(true))]
pub struct Fetch {
    #[command(flatten)]
    pub what: What,

    /// Where the file goes: a name, a folder, or - for standard output
    #[arg(short, long, value_name = "OUT")]
    pub output: PathBuf,

    /// Give up after so many seconds in which nobody had anything to give, or,
    /// with --push, proved another copy
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub timeout: Option<Duration>,

    #[command(flatten)]
    pub copies: Copies,

    #[command(flatten)]
    pub network: Network,

    #[command(flatten)]
    pub manners: Manners,

    #[command(flatten)]
    pub limit: Limit,
}

#[derive(Debug, clap::Args)]
pub struct Status {}

#[derive(Debug, clap::Args)]
pub struct Relay {
    /// Serve here; port 0 takes a free one, which is printed. To be reached
    /// from outside, 0.0.0.0:8787 or [::]:8787
    #[arg(long, value_name = "IP:PORT", default_value = "127.0.0.1:8787")]
    pub listen: SocketAddr,

    /// Serve so many peers at once
    #[arg(long, value_name = "NUMBER", default_value_t = samara_relay::Limits::default().connections)]
    pub max_connections: usize,

    /// Serve so many of one address at once, or of one /64 of IPv6 addresses;
    /// this machine's own, as a proxy has, are not counted
    #[arg(long, value_name = "NUMBER", default_value_t = samara_relay::Limits::default().connections_per_host)]
    pub max_per_address: usize,

    /// Forward so many bytes a second for one connection, in signals and in files
    /// that find no direct path (K, M, G for 1024s)
    #[arg(long, value_name = "BYTES", value_parser = bytes, default_value = "16M")]
    pub forward_limit: NonZeroU64,

    /// The same for all connections together, which take turns; without it, as
    /// many as they may
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub forward_limit_total: Option<NonZeroU64>,

    /// Stay connected to this relay or peer, so that wants travel; repeatable
    #[arg(long, value_name = "URL")]
    pub peer: Vec<PeerUrl>,

    /// Look for what others want, and keep what they push, if they are at most
    /// so many peers away; 0 keeps nothing
    #[arg(long, value_name = "HOPS", default_value_t = 3)]
    pub sympathy: u8,

    #[command(flatten)]
    pub finding: Finding,

    /// Answer STUN at this UDP address, so that peers learn how others see them
    /// [default: that of --listen, unless it is for this machine only]
    #[arg(long, value_name = "IP:PORT", help_heading = "Ways through routers")]
    pub stun_listen: Option<SocketAddr>,

    /// Answer no STUN
    #[arg(
        long,
        help_heading = "Ways through routers",
        conflicts_with = "stun_listen"
    )]
    pub no_stun: bool,

    /// Tell peers of this STUN server, too; repeatable
    #[arg(long, value_name = "HOST:PORT", value_parser = IceUrl::stun, help_heading = "Ways through routers")]
    pub stun: Vec<IceUrl>,

    /// Tell peers of this TURN server, which passes on what finds no other way:
    /// HOST:PORT or turns:HOST:PORT?transport=tcp; repeatable
    #[arg(long, value_name = "HOST:PORT", value_parser = IceUrl::turn, help_heading = "Ways through routers")]
    pub turn: Vec<IceUrl>,

    /// File with the secret that the TURN servers share with this relay
    /// (coturn's static-auth-secret); or the variable `SAMARA_TURN_SECRET` has it
    #[arg(
        long,
        value_name = "FILE",
        requires = "turn",
        help_heading = "Ways through routers"
    )]
    pub turn_secret_file: Option<PathBuf>,

    /// Let credentials for the TURN servers hold for so many seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3600,
          value_parser = clap::value_parser!(u32).range(60..=604_800),
          requires = "turn", help_heading = "Ways through routers")]
    pub turn_lifetime: u32,

    /// Put the addresses of peers into the log
    #[arg(long)]
    pub log_addresses: bool,

    #[command(flatten)]
    pub limit: Limit,
}

/// How a relay finds others, and is found.
#[derive(Debug, clap::Args)]
pub struct Finding {
    /// Announce the relay in the DHT under this TCP port, at which the world
    /// reaches it without TLS
    #[arg(
        long,
        value_name = "PORT",
        conflicts_with = "no_dht",
        help_heading = "Finding others"
    )]
    pub announce_port: Option<NonZeroU16>,

    /// Announce every blob kept here too, not only the rooms, with so many UDP
    /// packets a second at most
    #[arg(long, value_name = "PACKETS", num_args = 0..=1, requires = "announce_port",
          default_missing_value = "2500", value_parser = clap::value_parser!(u32).range(1..), help_heading = "Finding others")]
    pub announce_blobs: Option<u32>,

    /// Enter the DHT by this node instead of the public ones; repeatable
    #[arg(long, value_name = "HOST:PORT", help_heading = "Finding others")]
    pub bootstrap: Vec<String>,

    /// Neither look nor announce in the DHT
    #[arg(long, conflicts_with = "bootstrap", help_heading = "Finding others")]
    pub no_dht: bool,

    /// Have no bridges to other relays, so that members meet on this one only
    #[arg(long, help_heading = "Finding others")]
    pub no_bridges: bool,
}

#[derive(Debug, clap::Args)]
pub struct What {
    /// File with the entry, or with a link; - reads standard input
    #[arg(short, long, value_name = "ENTRY.json", group = "what")]
    pub input: Option<PathBuf>,

    /// The link, as samara:… or as the address (http:// or https://) of a
    /// relay's page; without --relay, that relay is where to meet
    #[arg(value_name = "LINK", group = "what")]
    pub link: Option<String>,
}

#[derive(Debug, clap::Args)]
pub struct Copies {
    /// Have other peers keep copies until so many proved that they hold all of
    /// it
    #[arg(long, value_name = "COPIES", num_args = 0..=1, default_missing_value = "3",
          value_parser = clap::value_parser!(u8).range(1..=16))]
    pub push: Option<u8>,
}

#[derive(Debug, clap::Args)]
pub struct Network {
    /// Meet others at this relay; repeatable
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub relay: Vec<PeerUrl>,

    /// Connect to this peer, like ws://host:port; repeatable
    #[arg(long, value_name = "URL", help_heading = "Network")]
    pub peer: Vec<PeerUrl>,

    /// Accept peers here; port 0 takes a free one, which is printed. A port named
    /// here is announced in the DHT: have your router lead it to this machine. A
    /// seed that more than relays can find listens anyway, on any free port, which
    /// is announced only if this machine itself has an address on the internet
    #[arg(long, value_name = "IP:PORT", help_heading = "Network")]
    pub listen: Option<SocketAddr>,

    /// Enter the DHT by this node instead of the public ones; repeatable
    #[arg(long, value_name = "HOST:PORT", help_heading = "Network")]
    pub bootstrap: Vec<String>,

    /// Neither look nor announce in the DHT
    #[arg(long, help_heading = "Network", conflicts_with = "bootstrap")]
    pub no_dht: bool,

    /// Ask this STUN server how others see this machine, or go through this
    /// TURN server: stun:HOST:PORT or turn:USER:PASSWORD@HOST:PORT; repeatable
    #[arg(long, value_name = "SERVER", help_heading = "Network")]
    pub ice_server: Vec<IceServer>,

    /// Take data channels that others begin at this one UDP port [default: any
    /// free one]. Those begun here have a port each, see --udp-ports
    #[arg(long, value_name = "PORT", help_heading = "Network")]
    pub udp_port: Option<NonZeroU16>,

    /// Have no data channels but at these UDP ports: one for all that others
    /// begin, one for each that is begun here, and with a TURN server of your
    /// own one more for each that others began. Without a free one a channel
    /// fails, and the relay carries what it would have
    #[arg(long, value_name = "LOW-HIGH", help_heading = "Network")]
    pub udp_ports: Option<PortRange>,

    /// Have at most so many data channels with one peer; more than one are tried
    /// where a path is long or loses packets
    #[arg(long, value_name = "NUMBER", help_heading = "Network",
          default_value_t = samara_node::Limits::default().channels,
          value_parser = channels)]
    pub channels: usize,

    /// Open no data channels: what others at a relay get and give goes through
    /// it, and they do not learn this machine's addresses
    #[arg(long, help_heading = "Network", conflicts_with_all = ["ice_server", "udp_port", "udp_ports"])]
    pub no_webrtc: bool,
}

#[derive(Debug, Default, clap::Args)]
pub struct Manners {
    /// Send at most so many bytes of blobs a second (K, M, G for 1024s)
    #[arg(long, value_name = "RATE", value_parser = bytes, help_heading = "Manners")]
    pub upload_limit: Option<NonZeroU64>,

    /// Ask for at most so many bytes of blobs a second
    #[arg(long, value_name = "RATE", value_parser = bytes, help_heading = "Manners")]
    pub download_limit: Option<NonZeroU64>,

    /// Look for what others want, and keep it for them, if they are at most so
    /// many peers away; 0 helps nobody
    #[arg(
        long,
        value_name = "HOPS",
        default_value_t = 3,
        help_heading = "Manners"
    )]
    pub sympathy: u8,

    /// Serve only this file, whatever else the store holds
    #[arg(long, help_heading = "Manners")]
    pub stingy: bool,
}

#[derive(Debug, clap::Args)]
pub struct Limit {
    /// Let the store hold at most so many bytes (K, M, G, T for 1024s)
    #[arg(long, value_name = "BYTES", value_parser = bytes)]
    pub max_size: Option<NonZeroU64>,
}

fn channels(text: &str) -> Result<usize, &'static str> {
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=64).contains(number));
    number.ok_or("not a number from 1 to 64")
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds")?;
    Duration::try_from_secs_f64(seconds).map_err(|_| "not a number of seconds".to_owned())
}

fn bytes(text: &str) -> Result<NonZeroU64, &'static str> {
    const WRONG: &str = "not a size like 500M or 20G";
    let text = text
        .trim()
        .trim_end_matches(['b', 'B'])
        .trim_end_matches('i');
    let (digits, shift) = match text.chars().last().map(|unit| unit.to_ascii_uppercase()) {
        Some('K') => (&text[..text.len() - 1], 10),
        Some('M') => (&text[..text.len() - 1], 20),
        Some('G') => (&text[..text.len() - 1], 30),
        Some('T') => (&text[..text.len() - 1], 40),
        Some(_) | None => (text, 0),
    };
    let number: u64 = digits.trim().parse().map_err(|_| WRONG)?;
    let bytes = number.checked_mul(1 << shift).ok_or(WRONG)?;
    NonZeroU64::new(bytes).ok_or(WRONG)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_arguments_do_not_contradict_each_other() {
        Args::command().debug_assert();
    }

    #[test]
    fn every_commands_help_lists_the_exit_codes() {
        for command in Args::command().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string);
            assert_eq!(help.as_deref(), Some(EXIT_CODES), "{}", command.get_name());
        }
    }

    #[test]
    fn a_relays_default_port_is_the_librarys() {
        let args = Args::try_parse_from(["samara", "relay"]).unwrap();
        let Command::Relay(relay) = args.command else {
            panic!("another command");
        };
        let config = samara_relay::Config::new(PathBuf::new());
        assert_eq!(relay.listen, config.listen);
        let limit = config.limits.forwarded_per_second;
        assert_eq!(relay.forward_limit, NonZeroU64::from(limit));
    }

    #[test]
    fn sizes_are_read_with_and_without_units() {
        let read = |text| bytes(text).map(NonZeroU64::get);
        for (text, size) in [
            ("1", 1),
            ("5K", 5 << 10),
            ("2 MiB", 2 << 20),
            ("3gb", 3 << 30),
            ("1T", 1 << 40),
        ] {
            assert_eq!(read(text), Ok(size), "{text}");
        }
        for text in ["", "0", "-1", "1.5G", "G", "99999999999T", "5X"] {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_range_of_ports_that_is_none_is_refused_with_the_reason() {
        let of = |ports| {
            let seed = ["samara", "seed", "-i", "entry.json", "--udp-ports", ports];
            Args::try_parse_from(seed).map_err(|error| error.to_string())
        };
        assert!(of("40000-40031").is_ok());
        for (ports, why) in [
            ("40000", "write it like 40000-40031"),
            ("40031-40000", "the second port must be above the first"),
            ("1-70000", "write it like"),
        ] {
            assert!(of(ports).unwrap_err().contains(why), "{ports}");
        }
    }

    #[test]
    fn the_documents_names_for_the_commands_work() {
        for name in ["blob-seed", "seed"] {
            let args = Args::try_parse_from(["samara", name, "-i", "entry.json"]).unwrap();
            assert!(matches!(args.command, Command::Seed(_)), "{name}");
        }
        assert!(Args::try_parse_from(["samara", "blob-status"]).is_ok());
        assert!(Args::try_parse_from(["samara", "blob-fetch", "link", "-o", "x"]).is_ok());
        assert!(Args::try_parse_from(["samara", "fetch", "-o", "x"]).is_err());
        assert!(Args::try_parse_from(["samara", "fetch", "l", "-i", "e", "-o", "x"]).is_err());
    }
}
