//! `gateway secret set` and `rm`. A value comes from standard input or from a person at the terminal; on a command line every user of the machine
//! could read it.

use crate::args::PlaceArgs;
use crate::assemble::inputs::DEFAULT_SETTINGS;
use crate::assemble::secret_places::source_of;
use crate::environment::Environment;
use crate::exit;
use crate::output::{Usage, print, print_json, say};
use anyhow::{Context as _, Result};
use host_config::{Context, SecretSource, Settings};
use host_resolver::{SecretValue, Source};
use serde_json::json;
use std::io::{BufRead, IsTerminal, Read};
use std::path::Path;

/// Bytes of a value.
const MOST: u64 = 1 << 20;

pub(super) fn set(name: &str, args: &PlaceArgs, environment: &Environment) -> Result<u8> {
    if let Some((name, _)) = name.split_once('=') {
        return Err(Usage(format!(
            "a value does not belong on the command line, where others can read it; write `gateway secret set {name}` and give the value on standard input"
        ))
        .into());
    }
    let place = Place::of(args, environment)?;
    let value = value(name)?;
    place.source.set(name, &value)?;
    place.tell(json!({"name": name, "keptIn": place.source.to_string()}), || {
        format!("`{name}` is kept in {}", place.source)
    });
    Ok(exit::DONE)
}

pub(super) fn remove(names: &[String], args: &PlaceArgs, environment: &Environment) -> Result<u8> {
    let place = Place::of(args, environment)?;
    let (mut removed, mut missing) = (Vec::new(), Vec::new());
    for name in names {
        let list = if place.source.remove(name)? { &mut removed } else { &mut missing };
        list.push(name.as_str());
    }
    if args.json {
        let place = place.source.to_string();
        print_json(&json!({"removed": removed, "missing": missing, "place": place}));
    } else {
        removed.iter().for_each(|name| print(&format!("`{name}` is removed from {}", place.source)));
        missing.iter().for_each(|name| say(&format!("`{name}` is not in {}", place.source)));
    }
    Ok(if missing.is_empty() { exit::DONE } else { exit::FAILED })
}

/// Where a secret is kept.
struct Place {
    source: Source,
    /// What to write under `secrets:` so that servers find it there; none where it stands already.
    to_write: Option<String>,
    json: bool,
}

impl Place {
    fn of(args: &PlaceArgs, environment: &Environment) -> Result<Self> {
        let context = Context { bundled_plugins: &crate::bundled::plugin_names(), given_plugins: &[] };
        let settings = match &args.settings {
            Some(file) => Settings::load(file, &context)?,
            None if Path::new(DEFAULT_SETTINGS).exists() => {
                Settings::load(Path::new(DEFAULT_SETTINGS), &context)?
            }
            None => Settings::default(),
        };
        let folder = std::env::current_dir().context("find the current folder")?;
        let of_line = |text: &str| {
            SecretSource::of_command_line(text, &folder)
                .map_err(|misfit| Usage(format!("`--place {text}`: {misfit}")))
        };
        let (wanted, written) = match &args.place {
            Some(text) => (of_line(text)?, text.clone()),
            None => match settings.secrets.iter().find(|s| source_of(s, environment).is_writable()) {
                Some(source) => (source.clone(), String::new()),
                None => (of_line("keychain")?, "keychain".to_owned()),
            },
        };
        let known = settings.secrets.contains(&wanted);
        let source = source_of(&wanted, environment);
        Ok(Self { source, to_write: (!known).then_some(written), json: args.json })
    }

    fn tell(&self, document: serde_json::Value, line: impl FnOnce() -> String) {
        if self.json {
            print_json(&document);
        } else {
            print(&line());
        }
        if let Some(place) = &self.to_write {
            say(&format!("note: servers look there once gateway.yaml has it: `secrets: ['{place}']`"));
        }
    }
}

/// The value: all of standard input without its last line end, or what a person types without seeing it.
fn value(name: &str) -> Result<SecretValue> {
    let stdin = std::io::stdin();
    let mut text = SecretText::default();
    if stdin.is_terminal() {
        say(&format!("value of `{name}` (not shown):"));
        let _quiet = Quiet::new(&stdin)?;
        stdin.lock().take(MOST).read_line(&mut text.0).context("read the value")?;
    } else {
        stdin
            .lock()
            .take(MOST + 1)
            .read_to_string(&mut text.0)
            .context("read the value from standard input")?;
        if text.0.len() as u64 > MOST {
            return Err(Usage("the value is larger than 1 MiB".to_owned()).into());
        }
    }
    let whole = std::mem::take(&mut text.0);
    let value = SecretValue::new(whole);
    let cut = value.reveal();
    let cut = cut.strip_suffix('\n').map_or(cut, |cut| cut.strip_suffix('\r').unwrap_or(cut));
    if cut.is_empty() {
        return Err(Usage(format!(
            "no value for `{name}`: give it on standard input, for example `gateway secret set {name} < FILE`"
        ))
        .into());
    }
    Ok(SecretValue::new(cut.to_owned()))
}

/// A text that is wiped when reading it fails.
#[derive(Default)]
struct SecretText(String);

impl Drop for SecretText {
    fn drop(&mut self) {
        drop(SecretValue::new(std::mem::take(&mut self.0)));
    }
}

/// A terminal that does not show what is typed, until this is dropped.
struct Quiet<'t> {
    terminal: &'t std::io::Stdin,
    before: rustix::termios::Termios,
}

impl<'t> Quiet<'t> {
    fn new(terminal: &'t std::io::Stdin) -> Result<Self> {
        use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(terminal).context("ask the terminal for its settings")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        quiet.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(terminal, OptionalActions::Flush, &quiet)
            .context("keep the terminal from showing the value")?;
        Ok(Self { terminal, before })
    }
}

impl Drop for Quiet<'_> {
    fn drop(&mut self) {
        let _ =
            rustix::termios::tcsetattr(self.terminal, rustix::termios::OptionalActions::Now, &self.before);
    }
}
