//! Network namespaces: an internet of one bridge, and homes on it, each a host
//! behind a router of some kind. They go when they are dropped.

use std::cell::Cell;
use std::process::Command;

/// What stands between a host and the internet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Router {
    /// Nothing: the host has an address of its own.
    None,
    /// One port outside for one inside, open to everybody.
    FullCone,
    /// One port outside for one inside, open to whoever was sent something.
    Restricted,
    /// Another port outside for each receiver, open to that one.
    Symmetric,
    /// No UDP, either way.
    NoUdp,
}

impl Router {
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "open",
            Self::FullCone => "full cone",
            Self::Restricted => "restricted",
            Self::Symmetric => "symmetric",
            Self::NoUdp => "no UDP",
        }
    }
}

/// A network namespace.
pub struct Space(String);

impl Space {
    fn new(name: String) -> Self {
        run("ip", &["netns", "add", &name]);
        let space = Self(name);
        space.ip("link set lo up");
        space
    }

    pub fn name(&self) -> &str {
        &self.0
    }

    pub fn ip(&self, what: &str) {
        let words: Vec<_> = ["-n", &self.0].into_iter().chain(what.split(' ')).collect();
        run("ip", &words);
    }

    /// A command inside.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.0, program]);
        command
    }

    fn nft(&self, rules: &str) {
        let mut words = vec!["netns", "exec", &self.0, "nft"];
        words.push(rules);
        run("ip", &words);
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // What is left goes with the machine.
        let _ = Command::new("ip").args(["netns", "del", &self.0]).status();
    }
}

/// The internet.
pub struct Town {
    bridge: Space,
    name: String,
    last: Cell<u8>,
}

impl Town {
    pub fn new() -> Self {
        let name = format!("samara{}", std::process::id());
        let bridge = Space::new(format!("{name}-net"));
        bridge.ip("link add br0 type bridge");
        bridge.ip("link set br0 up");
        // What goes to an address of some home's own gets lost here, as on the
        // internet; an error would end what coturn relays.
        bridge.ip("addr add 203.0.113.254/24 dev br0");
        let last = Cell::new(0);
        Self { bridge, name, last }
    }

    /// A namespace on the internet, and its address there.
    pub fn place(&self) -> (Space, String) {
        let number = self.number();
        let space = Space::new(format!("{}-{number}", self.name));
        let port = format!("p{number}");
        let peer = self.bridge.name();
        space.ip(&format!(
            "link add wan type veth peer name {port} netns {peer}"
        ));
        self.bridge.ip(&format!("link set {port} master br0"));
        self.bridge.ip(&format!("link set {port} up"));
        let address = format!("203.0.113.{number}");
        space.ip(&format!("addr add {address}/24 dev wan"));
        space.ip("link set wan up");
        space.ip("route add default via 203.0.113.254");
        (space, address)
    }

    /// Gives a place another address. What goes to the old one gets lost.
    fn readdress(&self, space: &Space, old: &str) -> String {
        let address = format!("203.0.113.{}", self.number());
        space.ip(&format!("addr del {old}/24 dev wan"));
        space.ip(&format!("addr add {address}/24 dev wan"));
        space.ip("route replace default via 203.0.113.254");
        self.bridge.nft(&format!(
            "add table ip gone; \
             add chain ip gone in {{ type filter hook input priority 0; }}; \
             add rule ip gone in ip daddr {old} drop"
        ));
        self.bridge.ip(&format!("addr add {old}/32 dev br0"));
        address
    }

    fn number(&self) -> u8 {
        let number = self.last.get() + 1;
        self.last.set(number);
        number
    }
}

/// A host, and its router if it has one.
pub struct Home {
    host: Space,
    /// Its router, and the address of that.
    gate: Option<(Space, String)>,
}

impl Home {
    pub fn new(town: &Town, router: Router) -> Self {
        let (outer, address) = town.place();
        if router == Router::None {
            let host = outer;
            let gate = None;
            return Self { host, gate };
        }
        let host = Space::new(format!("{}h", outer.name()));
        host.ip(&format!(
            "link add eth type veth peer name lan netns {}",
            outer.name()
        ));
        host.ip("addr add 10.0.0.2/24 dev eth");
        host.ip("link set eth up");
        host.ip("route add default via 10.0.0.1");
        outer.ip("addr add 10.0.0.1/24 dev lan");
        outer.ip("link set lan up");
        let forward = outer
            .command("sysctl")
            .args(["-qw", "net.ipv4.ip_forward=1"])
            .status();
        assert!(forward.unwrap().success());
        outer.nft(&rules(router));
        let gate = Some((outer, address));
        Self { host, gate }
    }

    /// The host's namespace.
    pub fn host(&self) -> &str {
        self.host.name()
    }

    /// Counts what comes to the host from this address.
    pub fn watch(&self, from: &str) {
        self.host.nft(&format!(
            "add table ip count; \
             add chain ip count in {{ type filter hook input priority 0; }}; \
             add rule ip count in ip saddr {from} counter"
        ));
    }

    /// Counts what the host sends from this UDP port.
    pub fn count_from(&self, port: u16) {
        self.host.nft(&format!(
            "add table ip count; \
             add chain ip count in {{ type filter hook output priority 0; }}; \
             add rule ip count in udp sport {port} counter"
        ));
    }

    /// Bytes that were counted.
    pub fn watched(&self) -> u64 {
        let mut listed = self.host.command("nft");
        listed.args(["list", "chain", "ip", "count", "in"]);
        let listed = String::from_utf8(listed.output().unwrap().stdout).unwrap();
        let (_, bytes) = listed.split_once(" bytes ").unwrap();
        bytes.split_whitespace().next().unwrap().parse().unwrap()
    }

    /// The router gives the host another address in place of the old one.
    pub fn move_host(&self) {
        assert!(self.gate.is_some(), "a host behind a router");
        self.host.ip("addr del 10.0.0.2/24 dev eth");
        self.host.ip("addr add 10.0.0.77/24 dev eth");
        self.host.ip("route replace default via 10.0.0.1");
    }

    /// The router is one of those that let UDP pass to whoever sent some, now.
    pub fn let_udp_pass(&self) {
        let (gate, _) = self.gate.as_ref().unwrap();
        gate.nft(
            "flush chain ip r forward; \
             add rule ip r forward iifname wan ct state new drop",
        );
    }

    /// The provider gives the router another address in place of the old one.
    /// Nothing in the home is told.
    pub fn move_router(&mut self, town: &Town) {
        let (gate, address) = self.gate.as_mut().unwrap();
        *address = town.readdress(gate, address);
    }
}

/// What a router does, for nftables.
fn rules(router: Router) -> String {
    // A packet nobody asked for must leave no trace, or the answer to it would
    // get another port.
    let closed = "add chain ip r input { type filter hook input priority 0; }; \
        add rule ip r input iifname wan ct state new drop; \
        add chain ip r forward { type filter hook forward priority 0; }; \
        add rule ip r forward iifname wan ct state new drop; ";
    let nat = "add table ip r; \
        add chain ip r post { type nat hook postrouting priority 100; }; ";
    let own = match router {
        Router::None => unreachable!("there is no router"),
        Router::FullCone => {
            return format!(
                "{nat} add rule ip r post oifname wan masquerade; \
                 add chain ip r pre {{ type nat hook prerouting priority -100; }}; \
                 add rule ip r pre iifname wan meta l4proto udp dnat to 10.0.0.2"
            );
        }
        Router::Restricted => "add rule ip r post oifname wan masquerade",
        Router::Symmetric => "add rule ip r post oifname wan masquerade fully-random",
        Router::NoUdp => {
            "add rule ip r post oifname wan masquerade; \
             add rule ip r forward meta l4proto udp drop"
        }
    };
    format!("{nat} {closed} {own}")
}

fn run(program: &str, words: &[&str]) {
    let ended = Command::new(program).args(words).output();
    let ended = ended.unwrap_or_else(|error| panic!("{program}: {error}; try cargo xtask nat"));
    let said = String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success(), "{program} {words:?}: {said}");
}
