//! Writes every target's first inputs, a folder each, below the folder given.

use std::env;
use std::fs;
use std::path::PathBuf;

use samara_fuzz::TARGETS;

fn main() -> std::io::Result<()> {
    let folder = env::args_os()
        .nth(1)
        .map_or_else(|| "seeds".into(), PathBuf::from);
    for target in TARGETS {
        let folder = folder.join(target.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (target.seeds)().iter().enumerate() {
            fs::write(folder.join(number.to_string()), seed)?;
        }
    }
    Ok(())
}
