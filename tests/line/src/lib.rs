//! Two network namespaces and a line between them that takes time and loses
//! packets, for real processes that know nothing of it: browsers too.
//!
//! The kernel has netem for that where it was built with it. This needs root,
//! iproute2 and `/dev/net/tun` only: each end of the line is a TUN device, and
//! one thread carries packets from one to the other. Loss is drawn from a seed,
//! so that it is no other at each run, as far as the packets are the same.

#![cfg(target_os = "linux")]

mod carry;
mod line;
mod space;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use anyhow::Context as _;
use tun_rs::{DeviceBuilder, Layer, SyncDevice};

pub use line::Line;
pub use space::Space;

/// Where the near end is reached.
pub const NEAR: &str = "10.99.0.1";
/// Where the far end is reached.
pub const FAR: &str = "10.99.0.2";

/// Packets that the kernel holds for the line until they are carried: more than
/// come while its thread waits for a processor.
const QUEUE: u32 = 20_000;

/// Two places and the line between them. They go when it is dropped.
pub struct Places {
    near: Space,
    far: Space,
    over: Arc<AtomicBool>,
    carrier: Option<JoinHandle<()>>,
}

impl Places {
    /// Makes both; `name` is that of the near one, and the far one's with
    /// another letter at the end.
    pub fn new(name: &str, line: Line) -> anyhow::Result<Self> {
        let near = Space::new(format!("{name}n"))?;
        let far = Space::new(format!("{name}f"))?;
        let ends = [end(&near, NEAR)?, end(&far, FAR)?];
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let carrier = std::thread::Builder::new().name("line".into());
        let carrier = carrier.spawn(move || carry::carry(&ends, line, &until))?;
        Ok(Self {
            near,
            far,
            over,
            carrier: Some(carrier),
        })
    }

    /// The place at [`NEAR`].
    pub fn near(&self) -> &Space {
        &self.near
    }

    /// The place at [`FAR`].
    pub fn far(&self) -> &Space {
        &self.far
    }
}

impl Drop for Places {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(carrier) = self.carrier.take() {
            // Its panic has been printed.
            let _ = carrier.join();
        }
    }
}

/// One end of a line, in its place. The device stays this process's wherever it
/// is.
fn end(space: &Space, address: &str) -> anyhow::Result<SyncDevice> {
    let name = space.name();
    let device = DeviceBuilder::new()
        .name(name)
        .layer(Layer::L3)
        .enable(false)
        .build_sync();
    let device = device.context("no TUN device; is this root?")?;
    device.set_nonblocking(true)?;
    space::ip(&format!("link set {name} netns {name}"))?;
    space.ip(&format!("link set {name} name line"))?;
    space.ip(&format!("link set line mtu 1500 txqueuelen {QUEUE}"))?;
    space.ip(&format!("addr add {address}/24 dev line"))?;
    space.ip("link set line up")?;
    space.ip("route add default dev line")?;
    Ok(device)
}
