//! A simulated network for `samara-swarm`: real machines, real sealed blobs,
//! virtual time.
//!
//! A seed makes a plan ([`draw`]): hosts, lines, files, what goes wrong and
//! who lies. [`run`] lets it happen and checks the invariants at every step;
//! an oracle says what should have come of it. What fails is made smaller
//! ([`shrink`]) until it shows little more than the reason.
//!
//! | module | knows |
//! | --- | --- |
//! | `peer` | the machine's face, and it alone |
//! | `net` | wires, lines, dials, rooms, disks, faults |
//! | `liar` | what liars do |
//! | `checks` | what must hold at every step |
//! | `oracle` | what must come of it |
#![allow(
    missing_docs,
    reason = "a plan's fields and a lie's name say what they are"
)]

mod checks;
mod dice;
mod draw;
mod file;
mod liar;
mod many;
mod net;
mod oracle;
mod peer;
mod plan;
mod queue;
pub mod report;
mod run;
pub mod scale;
mod shrink;
mod time;
mod trace;

pub use checks::{Breach, Figures, Invariant};
pub use draw::draw;
pub use liar::Lie;
pub use many::{Tally, many};
pub use plan::{Bounds, Disk, Fault, FilePlan, Host, HostPlan, Kind, Line, Plan, Role, Task};
pub use run::{Outcome, run};
pub use shrink::shrink;
pub use time::{Moment, Span};
