//! Editors' files: any text, and whatever is accepted can be filled in.

use host_config::{EditorFile, EditorText, Reach};
use std::path::Path;

pub(crate) fn holds(text: &str) {
    let Ok((file, _)) = EditorFile::parse(text, "f", Path::new("/w")) else { return };
    for server in &file.servers {
        let entry = server.editor.as_ref().expect("servers of editors' files have entries");
        match &entry.reach {
            Reach::Command(line) => {
                fill(&line.program);
                line.args.iter().for_each(fill);
                line.env.iter().for_each(|(_, value)| fill(value));
            }
            Reach::Remote { url, headers, .. } => {
                fill(url);
                headers.iter().for_each(|(_, value)| fill(value));
            }
        }
    }
}

fn fill(text: &EditorText) {
    let filled = text.fill(|_| Some(String::new()));
    assert!(filled.is_ok());
    let secrets = text.secrets().count();
    assert!(secrets <= filled.map(|parts| parts.len()).unwrap_or_default());
}
