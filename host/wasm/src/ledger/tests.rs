//! The ledger: what stands in it after each step, and what the next run finds.

use super::*;
use std::io::Write as _;

fn begin(number: u64) -> Begin {
    Begin {
        lease: format!("lease-{number}"),
        number,
        subject: Subject::Server,
        plugin: "p".to_owned(),
        version: "1.2.3".to_owned(),
        digest: "d".to_owned(),
        server_id: "notes-1".to_owned(),
        server_name: "notes".to_owned(),
        session: "old".to_owned(),
        request: "r".to_owned(),
    }
}

fn object(name: &str) -> ObjectRef {
    ObjectRef { kind: "task".to_owned(), scope: "eu".to_owned(), name: name.to_owned() }
}

fn old(dir: &Path) -> Ledger {
    Ledger::new(dir, "old")
}

#[test]
fn nothing_is_written_before_something_is_noted() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = old(dir.path());
    let record = ledger.begin(begin(1));
    assert!(!record.is_written());
    ledger.released(&record);
    assert!(!dir.path().join("ledger").exists());
}

#[test]
fn a_run_that_lives_is_not_abandoned_and_a_dead_one_leaves_its_open_leases_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = old(dir.path());
    let (a, b, c) = (ledger.begin(begin(1)), ledger.begin(begin(2)), ledger.begin(begin(3)));
    ledger.object(&b, object("b1"), true).unwrap();
    ledger.object(&b, object("b2"), false).unwrap();
    ledger.object(&a, object("a1"), true).unwrap();
    ledger.object(&c, object("c1"), true).unwrap();
    ledger.forget(&b, &object("b1"), true).unwrap();
    ledger.forget(&b, &object("b2"), true).unwrap(); // the host noted it, so the plugin cannot take it out
    ledger.state(&b, State { version: 1, data: vec![1] }).unwrap();
    ledger.state(&b, State { version: 2, data: vec![0, 255] }).unwrap();
    ledger.released(&c);

    let new = Ledger::new(dir.path(), "new");
    assert_eq!(new.abandoned().len(), 0);
    assert_eq!(new.liveness("old"), Liveness::Alive);
    assert_eq!(new.liveness("new"), Liveness::ThisSession);
    assert_eq!(new.liveness("never"), Liveness::Unknown);
    assert_eq!(new.liveness("../ledger/old"), Liveness::Unknown);

    drop(ledger);
    assert_eq!(new.liveness("old"), Liveness::Dead);
    let mut found = new.abandoned();
    assert_eq!(found.len(), 1);
    let mut left = found.remove(0);
    let names: Vec<_> = left.leases.iter().map(|l| l.begin.lease.as_str()).collect();
    assert_eq!(names, ["lease-1", "lease-2"]);
    assert_eq!(left.leases[1].lease().objects, [object("b2")]);
    assert_eq!(left.leases[1].state, Some(State { version: 2, data: vec![0, 255] }));
    // While one gateway works it off, no other does.
    assert_eq!(Ledger::new(dir.path(), "third").abandoned().len(), 0);

    left.released("lease-1");
    assert!(!left.finish());
    let mut left = new.abandoned().remove(0);
    assert_eq!(left.leases.len(), 1);
    left.released("lease-2");
    assert!(left.finish());
    assert_eq!(std::fs::read_dir(dir.path().join("ledger")).unwrap().count(), 0);
}

#[test]
fn a_torn_last_line_is_passed_over_and_not_grown_onto() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = old(dir.path());
    let record = ledger.begin(begin(1));
    ledger.object(&record, object("a"), true).unwrap();
    drop(ledger);
    let path = dir.path().join("ledger/old.jsonl");
    let mut file = File::options().append(true).open(&path).unwrap();
    file.write_all(b"{\"entry\":\"object\",\"lease\":\"lease-1\",\"ki").unwrap();
    drop(file);
    let new = Ledger::new(dir.path(), "new");
    let mut left = new.abandoned().remove(0);
    assert_eq!(left.leases[0].lease().objects, [object("a")]);
    left.released("lease-1");
    drop(left);
    assert!(new.abandoned().remove(0).leases.is_empty());
}

#[test]
fn the_file_stays_short_and_goes_at_the_end_when_nothing_is_open() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = old(dir.path());
    let path = dir.path().join("ledger/old.jsonl");
    let kept = ledger.begin(begin(0));
    ledger.object(&kept, object("kept"), true).unwrap();
    for number in 1..200 {
        let record = ledger.begin(begin(number));
        ledger.state(&record, State { version: 1, data: vec![7; 20_000] }).unwrap();
        ledger.released(&record);
    }
    assert!(std::fs::metadata(&path).unwrap().len() < 2 << 20);
    // After a rewriting the file is still locked, and complete.
    assert_eq!(Ledger::new(dir.path(), "new").liveness("old"), Liveness::Alive);
    drop(ledger);
    let left = Ledger::new(dir.path(), "new").abandoned().remove(0);
    assert_eq!(left.leases.len(), 1);
    assert_eq!(left.leases[0].lease().objects, [object("kept")]);
    drop(left);
    let ledger = Ledger::new(dir.path(), "third");
    let record = ledger.begin(begin(1));
    ledger.object(&record, object("a"), true).unwrap();
    ledger.close();
    assert!(dir.path().join("ledger/third.jsonl").exists());
    ledger.released(&record);
    ledger.close();
    assert!(!dir.path().join("ledger/third.jsonl").exists());
}

#[test]
fn two_runs_cannot_share_a_session() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (old(dir.path()), old(dir.path()));
    let a = one.begin(begin(1));
    one.object(&a, object("a"), true).unwrap();
    // The second would otherwise replace the first one's file.
    let error = two.object(&two.begin(begin(2)), object("b"), true).unwrap_err();
    assert_eq!(error.to_string(), "another gateway uses the same session id");
}

use std::fs::File;

#[cfg(unix)]
#[test]
fn folders_that_others_can_write_to_are_neither_written_nor_believed() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let state = dir.path().join("state");
    let ledger = old(&state);
    ledger.object(&ledger.begin(begin(1)), object("a"), true).unwrap();
    ledger.abandon();
    assert_eq!(Ledger::new(&state, "new").abandoned().len(), 1);
    for folder in [state.clone(), state.join("ledger")] {
        let mode = |mode| std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(mode)).unwrap();
        mode(0o770);
        let new = Ledger::new(&state, "new");
        assert_eq!(new.abandoned().len(), 0);
        assert_eq!(new.liveness("old"), Liveness::Unknown);
        let error = new.object(&new.begin(begin(2)), object("b"), true).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!(
                "the folder {} is not this user's alone: other users can write to it (mode 770); make it private with mode 700",
                folder.display()
            )
        );
        mode(0o700);
    }
    assert_eq!(Ledger::new(&state, "new").abandoned().len(), 1);
}

#[cfg(unix)]
#[test]
fn links_are_not_followed() {
    use std::os::unix::fs::symlink;
    let dir = tempfile::tempdir().unwrap();
    let ledger = old(dir.path());
    ledger.object(&ledger.begin(begin(1)), object("a"), true).unwrap();
    ledger.abandon();
    let folder = dir.path().join("ledger");
    let elsewhere = dir.path().join("elsewhere");
    std::fs::rename(folder.join("old.jsonl"), &elsewhere).unwrap();
    symlink(&elsewhere, folder.join("old.jsonl")).unwrap();
    let new = Ledger::new(dir.path(), "new");
    assert_eq!(new.abandoned().len(), 0);
    assert_eq!(new.liveness("old"), Liveness::Unknown);
    // Nor is one written through that waits where a new ledger is about to be.
    std::fs::write(&elsewhere, "mine").unwrap();
    symlink(&elsewhere, folder.join("new.new")).unwrap();
    new.object(&new.begin(begin(2)), object("b"), true).unwrap();
    assert_eq!(std::fs::read_to_string(&elsewhere).unwrap(), "mine");
    // Nor the folder itself.
    let other = tempfile::tempdir().unwrap();
    symlink(&folder, other.path().join("ledger")).unwrap();
    let third = Ledger::new(other.path(), "third");
    let error = third.object(&third.begin(begin(3)), object("c"), true).unwrap_err();
    assert!(error.to_string().ends_with("is not this user's alone: it is no folder"), "{error}");
}

#[test]
fn what_stands_in_an_old_ledger_is_made_fit_to_be_shown() {
    let dir = tempfile::tempdir().unwrap();
    let ledger = old(dir.path());
    let shown = Begin { server_name: "no\u{1b}[2Jtes".to_owned(), ..begin(1) };
    ledger.object(&ledger.begin(shown), object("a"), true).unwrap();
    for (number, bad) in [
        Begin { plugin: "p\u{1b}".to_owned(), ..begin(2) },
        Begin { session: "../x".to_owned(), ..begin(3) },
        Begin { lease: "a b".to_owned(), ..begin(4) },
    ]
    .into_iter()
    .enumerate()
    {
        ledger.object(&ledger.begin(bad), object(&number.to_string()), true).unwrap();
    }
    ledger.abandon();
    let folder = dir.path().join("ledger");
    std::fs::write(folder.join("\u{1b}[2J.jsonl"), "x").unwrap();
    let found = Ledger::new(dir.path(), "new").abandoned();
    assert_eq!(found.len(), 1);
    let names: Vec<&str> = found[0].leases.iter().map(|left| left.begin.server_name.as_str()).collect();
    assert_eq!(names, ["no\\u{1b}[2Jtes"]);
}
