//! Copies this program to where a server's container will find it. An init container of this program's own image can so fill a shared
//! folder without having a shell or `cp`.

use crate::log;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::ExitCode;

/// Copies it, first beside the target and then over it, so that nobody ever sees half a file.
pub(crate) fn install(target: &Path) -> ExitCode {
    match copy(target) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            log::line(format_args!("copy this program to `{}`: {error}", target.display()));
            ExitCode::FAILURE
        }
    }
}

fn copy(target: &Path) -> io::Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder)?;
    }
    let mut beside = target.as_os_str().to_owned();
    beside.push(".new");
    let beside = Path::new(&beside);
    fs::copy(std::env::current_exe()?, beside)?;
    // Whoever the server runs as must be able to start it.
    fs::set_permissions(beside, fs::Permissions::from_mode(0o755))?;
    fs::rename(beside, target)
}
