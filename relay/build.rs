//! Picks the page to embed: the built one, or one that says how to build it,
//! so that a fresh clone compiles before anything of the web is built.

use std::env;
use std::path::PathBuf;

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the folder"));
    let app = here.join("../web/app");
    let built = app.join("dist");
    let (page, watched) = if built.join("index.html").is_file() {
        (built.clone(), built)
    } else {
        (here.join("fallback"), app)
    };
    let page = page.canonicalize().expect("the folder is there");
    println!("cargo::rustc-env=SAMARA_PAGE={}", page.display());
    println!("cargo::rerun-if-changed=build.rs");
    // A path that is missing would run this at every build.
    if watched.exists() {
        println!("cargo::rerun-if-changed={}", watched.display());
    }
}
