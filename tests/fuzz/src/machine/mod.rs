//! The machine under arbitrary inputs: a script of what strangers send, what
//! the user wants, what the driver reports and how time passes.
//!
//! | module | knows |
//! | --- | --- |
//! | `script` | what may happen, as the fuzzer's bytes say it |
//! | `play` | how a script becomes happenings, and what must hold after each |
//! | `words` | what strangers say: messages and whispers |
//! | `face` | the machine's inputs and outputs, and nobody else does |
//! | `ledger` | what a driver's contract with the machine allows |
//! | `fixture` | files, keys and limits, small so that they are reached |

mod face;
mod fixture;
mod ledger;
mod play;
mod script;
mod words;

use arbitrary::{Arbitrary as _, Unstructured};

use self::play::Play;
use self::script::{Act, Script};

/// Plays the script that the bytes say.
pub fn check(bytes: &[u8]) {
    let Ok(script) = Script::arbitrary_take_rest(Unstructured::new(bytes)) else {
        return;
    };
    let mut play = Play::new(&script.setting);
    for act in &script.acts {
        play.act(act);
    }
    play.end();
}

/// Whispers `plain` to a machine that is in a room, in a session of its own
/// and in one that the machine knows.
pub(crate) fn whisper(plain: &[u8]) {
    let mut play = Play::new(&script::Setting::default());
    play.act(&Act::Relay { address: 0 });
    play.act(&Act::Open {
        file: 0,
        entry: false,
    });
    play.act(&Act::Say {
        line: 0,
        saying: script::Saying::Room {
            file: 0,
            about: script::Room::Members(vec![(2, 1), (3, 0)]),
        },
        times: 0,
    });
    for member in [2, 3, 4] {
        play.act(&Act::Whisper {
            line: 0,
            file: 0,
            member,
            whisper: script::Whisper::Plain(plain.to_vec()),
        });
    }
    play.end_at_once();
}
