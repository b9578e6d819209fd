//! npm packages, exactly as locked.

use std::fs;
use std::path::Path;
use std::time::SystemTime;

use anyhow::bail;

use crate::process::run;
use crate::workspace::Workspace;

/// Installs the packages locked in `folder` unless they are there.
pub fn find_or_install(workspace: &Workspace, folder: &str) -> anyhow::Result<String> {
    let path = workspace.path(folder);
    if is_installed(&path) {
        return Ok("as locked".to_owned());
    }
    println!("installing the npm packages of {folder}");
    // Packages here need no scripts of their own, so none get to run.
    let mut install = workspace.npm(folder);
    install.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
    if let Err(error) = run(&mut install) {
        bail!(
            "{error:#}; once its complaint above is met, run: \
             (cd {folder} && npm ci --ignore-scripts)"
        );
    }
    Ok("installed".to_owned())
}

/// npm writes its own lock file into `node_modules` as the last thing it does.
fn is_installed(folder: &Path) -> bool {
    let installed = changed(&folder.join("node_modules/.package-lock.json"));
    let locked = changed(&folder.join("package-lock.json"));
    match (installed, locked) {
        (Some(installed), Some(locked)) => installed >= locked,
        (None, _) | (_, None) => false,
    }
}

fn changed(file: &Path) -> Option<SystemTime> {
    fs::metadata(file)
        .and_then(|metadata| metadata.modified())
        .ok()
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use super::*;

    #[test]
    fn packages_older_than_the_lock_file_are_not_installed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, age: u64| {
            let time = SystemTime::now() - Duration::from_secs(age);
            File::create(folder.path().join(name))
                .unwrap()
                .set_modified(time)
                .unwrap();
        };
        write("package-lock.json", 50);
        assert!(!is_installed(folder.path()));
        fs::create_dir(folder.path().join("node_modules")).unwrap();
        write("node_modules/.package-lock.json", 60);
        assert!(!is_installed(folder.path()));
        write("node_modules/.package-lock.json", 40);
        assert!(is_installed(folder.path()));
    }
}
