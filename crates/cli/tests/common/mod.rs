//! Runs the real command, as a user or a script would.
#![allow(dead_code, reason = "not every suite needs everything")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use serde_json::Value;

/// Longer than anything here takes on a slow machine.
const PATIENCE: Duration = Duration::from_mins(1);

pub const MIB: usize = 1 << 20;

/// A folder with files and stores that goes at the end.
pub struct Desk {
    dir: tempfile::TempDir,
}

/// How a command ended.
pub struct Ended {
    pub code: Option<i32>,
    pub stdout: Vec<u8>,
    pub stderr: String,
}

/// A command that runs beside the test; killed at the end.
pub struct Running {
    child: Child,
    events: Receiver<Value>,
}

impl Desk {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A file of bytes that differ everywhere.
    pub fn file(&self, name: &str, len: usize) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, noise(len)).unwrap();
        path
    }

    /// A named pipe.
    #[cfg(unix)]
    pub fn pipe(&self, name: &str) {
        let made = Command::new("mkfifo").arg(self.path(name)).status();
        assert!(made.unwrap().success());
    }

    /// The command, with this store; it says in JSON what happens.
    pub fn samara(&self, store: &str) -> Samara {
        self.samara_in_words(store).arg("--json")
    }

    /// The command, with this store, as a person runs it.
    pub fn samara_in_words(&self, store: &str) -> Samara {
        let mut command = Command::new(env!("CARGO_BIN_EXE_samara"));
        command.arg("--store").arg(self.path(store));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        Samara(command)
    }

    /// The command in a network namespace, with this store.
    pub fn samara_in(&self, namespace: &str, store: &str) -> Samara {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", namespace, env!("CARGO_BIN_EXE_samara")]);
        command.args(["--json", "--store"]).arg(self.path(store));
        command.current_dir(self.dir.path()).stdin(Stdio::null());
        Samara(command)
    }

    /// Ingests a file into a store; the entry is in `ENTRY.json`.
    pub fn ingest(&self, store: &str, file: &Path) -> String {
        let ended = self
            .samara(store)
            .args(["ingest", "-o", "ENTRY.json", "-i"])
            .arg(file)
            .end();
        ended.assert_code(0);
        let link = ended.event("link");
        link["link"].as_str().unwrap().to_owned()
    }

    /// Seeds `ENTRY.json` out of a store, without the DHT; returns its address.
    pub fn seed(&self, store: &str) -> (Running, String) {
        let seed = [
            "seed",
            "-i",
            "ENTRY.json",
            "--listen",
            "127.0.0.1:0",
            "--no-dht",
        ];
        let running = self.samara(store).args(seed).start();
        let listening = running.wait_for("listening");
        let address = listening["address"].as_str().unwrap();
        (running, format!("ws://{address}"))
    }

    /// Fetches by link or entry file, without the DHT.
    pub fn fetch(&self, store: &str, what: &str, output: &str) -> Samara {
        let is_link = what.starts_with("samara:");
        let what = if is_link {
            vec![what]
        } else {
            vec!["-i", what]
        };
        let fetch = self.samara(store).arg("fetch").args(what);
        fetch.args(["-o", output, "--no-dht"])
    }

    /// The names in a folder.
    pub fn names(&self, folder: &str) -> Vec<String> {
        let entries = std::fs::read_dir(self.path(folder)).unwrap();
        let mut names: Vec<_> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    /// Bytes of blobs in a store.
    pub fn stored_bytes(&self, store: &str) -> u64 {
        let ended = self.samara(store).args(["status"]).end();
        ended.assert_code(0);
        let status: Value = serde_json::from_slice(&ended.stdout).unwrap();
        status["bytes"].as_u64().unwrap()
    }
}

/// The command, before it runs.
pub struct Samara(Command);

impl Samara {
    pub fn args(mut self, args: impl IntoIterator<Item = impl AsRef<std::ffi::OsStr>>) -> Self {
        self.0.args(args);
        self
    }

    pub fn arg(self, arg: impl AsRef<std::ffi::OsStr>) -> Self {
        self.args([arg])
    }

    pub fn peer(self, url: &str) -> Self {
        self.args(["--peer", url])
    }

    pub fn stdin(mut self, path: PathBuf) -> Self {
        self.0.stdin(std::fs::File::open(path).unwrap());
        self
    }

    /// Runs it to its end.
    pub fn end(mut self) -> Ended {
        Ended::of(self.0.output().unwrap())
    }

    /// Runs it beside the test.
    pub fn start(mut self) -> Running {
        self.0.stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = self.0.spawn().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, events) = channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                let event = serde_json::from_str(&line).unwrap_or(Value::String(line));
                if sender.send(event).is_err() {
                    return;
                }
            }
        });
        Running { child, events }
    }

    /// The command line, for a shell.
    pub fn shell(&self) -> String {
        let quote = |text: &std::ffi::OsStr| format!("'{}'", text.to_str().unwrap());
        let words = std::iter::once(self.0.get_program()).chain(self.0.get_args());
        words.map(quote).collect::<Vec<_>>().join(" ")
    }
}

impl Ended {
    pub fn of(output: Output) -> Self {
        Self {
            code: output.status.code(),
            stdout: output.stdout,
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    #[track_caller]
    pub fn assert_code(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
    }

    /// The last event of this name.
    #[track_caller]
    pub fn event(&self, name: &str) -> Value {
        let events = self.stderr.lines().rev();
        let mut events = events.filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let found = events.find(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no event {name}: {}", self.stderr))
    }

    /// It failed with this code, and one sentence that says all of `words`.
    #[track_caller]
    pub fn assert_failed(&self, code: i32, words: &[&str]) {
        self.assert_code(code);
        let message = self.event("error")["message"].as_str().unwrap().to_owned();
        for word in words {
            assert!(message.contains(word), "no {word:?} in: {message}");
        }
        assert!(
            !message.contains('\n') && !message.contains("panicked"),
            "{message}"
        );
        assert!(
            !message.contains("samara:A"),
            "a link in an error: {message}"
        );
    }
}

impl Running {
    /// The next event of this name.
    #[track_caller]
    pub fn wait_for(&self, name: &str) -> Value {
        self.wait_until(|event| event["event"] == name)
    }

    /// The next event that is as wanted.
    #[track_caller]
    pub fn wait_until(&self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut seen = Vec::new();
        loop {
            match self.events.recv_timeout(PATIENCE) {
                Ok(event) if wanted(&event) => return event,
                Ok(event) => seen.push(event),
                Err(error) => panic!("{error} while waiting; seen: {seen:?}"),
            }
        }
    }

    /// Of its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Ends it as a crash would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as Ctrl-C does, and waits for the end.
    #[cfg(unix)]
    pub fn stop(self) -> Option<i32> {
        self.stop_and_hear().0
    }

    /// Asks it to stop; how it ended, and what it said until then that nobody
    /// waited for.
    #[cfg(unix)]
    pub fn stop_and_hear(mut self) -> (Option<i32>, Vec<Value>) {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(status.success());
        let code = self.child.wait().unwrap().code();
        (code, self.events.iter().collect())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that do not repeat within any test's file (xorshift).
pub fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let words = std::iter::repeat_with(|| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    });
    words.flatten().take(len).collect()
}
