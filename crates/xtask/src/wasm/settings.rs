//! `wasm-pack.toml`.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::Deserialize;

/// How the browser peer is built.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Settings {
    /// The crate's folder in the checkout.
    #[serde(rename = "crate")]
    pub krate: PathBuf,
    pub target: Target,
    pub profile: String,
    /// Where the results go, in the checkout.
    pub out_dir: PathBuf,
    #[serde(default)]
    pub target_features: Vec<String>,
}

/// What loads the wasm.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// An ES module that fetches it.
    Web,
}

impl Settings {
    /// Reads the settings in `file`.
    pub fn read(file: &Path) -> anyhow::Result<Self> {
        let text =
            fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
        Self::parse(&text).with_context(|| format!("cannot understand {}", file.display()))
    }

    fn parse(text: &str) -> Result<Self, toml::de::Error> {
        toml::from_str(text)
    }

    /// The compiler's flags, as cargo's `CARGO_ENCODED_RUSTFLAGS` wants them.
    pub fn rustc_flags(&self) -> String {
        let flags: Vec<_> = self
            .target_features
            .iter()
            .map(|feature| format!("-Ctarget-feature=+{feature}"))
            .collect();
        flags.join("\u{1f}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"
        crate = "crates/browser"
        target = "web"
        profile = "wasm"
        out-dir = "web/client/wasm"
        target-features = ["simd128", "tail-call"]
    "#;

    #[test]
    fn the_settings_of_this_project_are_understood() {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../wasm-pack.toml");
        let settings = Settings::read(&file).unwrap();
        assert_eq!(settings.target, Target::Web);
        assert_eq!(settings.krate, Path::new("crates/browser"));
    }

    #[test]
    fn every_feature_becomes_a_flag() {
        let settings = Settings::parse(WHOLE).unwrap();
        assert_eq!(
            settings.rustc_flags(),
            "-Ctarget-feature=+simd128\u{1f}-Ctarget-feature=+tail-call"
        );
    }

    #[test]
    fn a_misspelt_setting_is_refused_by_name() {
        let error = Settings::parse(&format!("{WHOLE}\nout-name = \"x\"")).unwrap_err();
        assert!(error.to_string().contains("out-name"), "{error}");
    }

    #[test]
    fn a_target_that_is_not_built_is_refused_by_name() {
        let error = Settings::parse(&WHOLE.replace("\"web\"", "\"deno\"")).unwrap_err();
        assert!(error.to_string().contains("deno"), "{error}");
    }
}
