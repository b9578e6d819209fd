//! A relay and coturn, each in a namespace of its own on the internet.

use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Desk, Running};
use crate::town::{Space, Town};

const PATIENCE: Duration = Duration::from_secs(20);

/// What the relay and coturn share.
const SECRET: &str = "north";

pub struct Relay {
    space: Space,
    address: String,
    url: String,
    turn: Option<String>,
    running: Option<Running>,
}

impl Relay {
    /// One that answers STUN, and names coturn if there is to be one.
    pub fn start(town: &Town, desk: &Desk, turn: Option<&Turn>) -> Self {
        let (space, ip) = town.place();
        let address = format!("{ip}:8787");
        let url = format!("http://{address}");
        let turn = turn.map(|turn| turn.address.clone());
        let running = None;
        let mut relay = Self {
            space,
            address,
            url,
            turn,
            running,
        };
        relay.resume(desk);
        relay
    }

    /// Starts it, again maybe, where it was.
    pub fn resume(&mut self, desk: &Desk) {
        let command = desk.samara_in(self.space.name(), &format!("relay-{}", self.space.name()));
        // It is to fetch nothing for others: a path is what is looked at.
        let mut command = command.args(["relay", "--no-dht", "--sympathy", "0"]);
        command = command.args(["--listen", &self.address]);
        if let Some(turn) = &self.turn {
            std::fs::write(desk.path("secret"), SECRET).unwrap();
            command = command.args(["--turn", turn, "--turn-secret-file"]);
            command = command.arg(desk.path("secret"));
        }
        let running = command.start();
        running.wait_until(|event| event["message"] == "relay started");
        self.running = Some(running);
    }

    pub fn stop(&mut self) {
        let running = self.running.take().unwrap();
        assert_eq!(running.stop(), Some(0));
    }

    pub fn url(&self) -> &str {
        &self.url
    }
}

/// coturn; killed at the end.
pub struct Turn {
    space: Space,
    address: String,
    child: Child,
}

impl Turn {
    /// One that takes whoever the relay names it to.
    pub fn start(town: &Town, desk: &Desk) -> Self {
        let secret = format!("--static-auth-secret={SECRET}");
        Self::start_with(town, desk, &["--use-auth-secret", &secret])
    }

    /// One that takes this user.
    pub fn start_for(town: &Town, desk: &Desk, user: &str, password: &str) -> Self {
        let user = format!("--user={user}:{password}");
        Self::start_with(town, desk, &["--lt-cred-mech", &user])
    }

    fn start_with(town: &Town, desk: &Desk, whom: &[&str]) -> Self {
        let (space, ip) = town.place();
        let mut command = space.command("turnserver");
        command.args([
            "-n",
            "--no-cli",
            "--no-tls",
            "--no-dtls",
            "--log-file=stdout",
        ]);
        command.args(["--realm=samara", "--listening-port=3478"]);
        command.args(whom);
        command.arg(format!("--listening-ip={ip}"));
        command.arg(format!("--relay-ip={ip}"));
        command.arg(format!("--userdb={}", desk.path("turndb").display()));
        command.arg(format!("--pidfile={}", desk.path("turn.pid").display()));
        let log = std::fs::File::create(desk.path("turn.log")).unwrap();
        let child = command
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(Stdio::null())
            .spawn();
        let address = format!("{ip}:3478");
        let turn = Self {
            space,
            address,
            child: child.unwrap(),
        };
        turn.wait();
        turn
    }

    /// Until its socket is there.
    fn wait(&self) {
        let start = Instant::now();
        let listens = || {
            let listed = self.space.command("ss").args(["-Hlun"]).output().unwrap();
            String::from_utf8_lossy(&listed.stdout).contains(&self.address)
        };
        while !listens() {
            assert!(start.elapsed() < PATIENCE, "coturn does not listen");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn address(&self) -> &str {
        &self.address
    }

    pub fn ip(&self) -> &str {
        self.address.split(':').next().unwrap()
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
