//! What was seen, as `docs/nat.md` has it.

use std::path::Path;

use serde_json::Value;

use crate::KINDS;

/// Set, what is seen is written down instead of compared.
const WRITE: &str = "SAMARA_WRITE_NAT";

const BEGIN: &str = "<!-- tables: written by the test -->\n";
const END: &str = "<!-- tables end -->\n";

/// How a file came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    Direct,
    Turn,
    Relay,
}

impl Way {
    /// By the sources of the last event `progress`.
    pub fn of(sources: &Value) -> Self {
        let sources = sources.as_array().unwrap().iter();
        let gave = sources.filter(|source| source["bytes"].as_u64() > Some(0));
        let gave: Vec<_> = gave.collect();
        if let Some(channel) = gave.iter().find(|source| source["path"] == "webrtc") {
            let turn = channel["pair"] == "turn";
            assert!(turn || channel["pair"] == "direct", "{channel}");
            assert_eq!(channel["detour"].is_string(), turn, "{channel}");
            return if turn { Self::Turn } else { Self::Direct };
        }
        let [circuit] = &gave[..] else {
            panic!("one source gave all: {gave:?}");
        };
        assert_eq!(circuit["path"], "circuit");
        assert!(circuit["detour"].is_string(), "a circuit says why");
        Self::Relay
    }

    fn name(self) -> &'static str {
        match self {
            Self::Direct => "direct",
            Self::Turn => "TURN",
            Self::Relay => "relay",
        }
    }
}

/// A row for each seeder, a cell for each reader.
pub struct Table {
    pub with_turn: bool,
    pub rows: [[Way; 5]; 5],
}

impl Table {
    fn text(&self) -> String {
        let title = if self.with_turn {
            "A relay that answers STUN and names a TURN server"
        } else {
            "A relay that answers STUN"
        };
        let mut text = format!("{title}:\n\n| seeder \\ reader |");
        for kind in KINDS {
            text += " ";
            text += kind.name();
            text += " |";
        }
        text += "\n| --- | --- | --- | --- | --- | --- |\n";
        for (kind, row) in KINDS.iter().zip(&self.rows) {
            text += "| ";
            text += kind.name();
            text += " |";
            for way in row {
                text += " ";
                text += way.name();
                text += " |";
            }
            text.push('\n');
        }
        text
    }
}

/// Compares the tables with those in the document.
pub fn check(tables: &[Table]) {
    let texts: Vec<_> = tables.iter().map(Table::text).collect();
    let seen = format!("{BEGIN}\n{}\n{END}", texts.join("\n"));
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/nat.md");
    let document = std::fs::read_to_string(&path).unwrap();
    let (start, rest) = document.split_once(BEGIN).unwrap();
    let (_, end) = rest.split_once(END).unwrap();
    let new = format!("{start}{seen}{end}");
    if std::env::var_os(WRITE).is_some() {
        std::fs::write(&path, new).unwrap();
    } else {
        assert!(
            new == document,
            "docs/nat.md says otherwise; with {WRITE}=1 it is written:\n{seen}"
        );
    }
}
