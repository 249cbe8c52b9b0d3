//! What the engine is asked, and what never reaches it.

use crate::secret::SecretText;
use crate::spec::{ContainerSpec, FileSpec, MountSource, MountSpec, PublishSpec};
use crate::{ErrorKind, SecretBytes};

fn spec() -> ContainerSpec {
    ContainerSpec::new("a", "acme/notes")
}

fn mount(source: MountSource, target: &str, read_only: bool, options: &[&str]) -> MountSpec {
    MountSpec {
        source,
        target: target.to_owned(),
        read_only,
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    }
}

fn refused(spec: &ContainerSpec) -> String {
    let error = spec.body().unwrap_err();
    assert_eq!(error.kind, ErrorKind::Specification);
    error.text
}

#[test]
fn the_last_of_two_variables_counts() {
    let mut spec = spec();
    spec.environment =
        [("A", "1"), ("B", "2"), ("A", "3")].map(|(k, v)| (k.to_owned(), SecretText::new(v))).into();
    assert_eq!(spec.body().unwrap().env.unwrap(), ["A=3", "B=2"]);
}

#[test]
fn a_value_stands_in_no_error() {
    for name in ["", "A=B", "A\0"] {
        let mut spec = spec();
        spec.environment = vec![(name.to_owned(), SecretText::new("hunter2"))];
        assert!(refused(&spec).ends_with("is no name of an environment variable"));
    }
    let mut spec = spec();
    spec.environment = vec![("A".to_owned(), SecretText::new("hunter2\0"))];
    assert_eq!(refused(&spec), "variable `A` has a zero byte in its value");
}

#[test]
fn mounts_are_written_as_after_v() {
    let folder = |path: &str| MountSource::Folder(path.into());
    let mut spec = spec();
    spec.mounts = vec![
        mount(folder("/srv/a"), "/a", false, &[]),
        mount(folder("/srv/a"), "/b", true, &[]),
        mount(folder("/srv/a"), "/c", true, &["ro", "z"]),
        mount(folder("/srv/a"), "/d", false, &["rw", "z"]),
        mount(MountSource::Volume("cache".to_owned()), "/e", false, &["nocopy"]),
        mount(MountSource::Anonymous, "/f", false, &[]),
        mount(MountSource::Memory(Some(1024)), "/g", false, &[]),
        mount(folder("/srv/a:b"), "/h", true, &[]),
    ];
    let body = spec.body().unwrap();
    let host = body.host_config.unwrap();
    assert_eq!(
        host.binds.unwrap(),
        ["/srv/a:/a", "/srv/a:/b:ro", "/srv/a:/c:ro,z", "/srv/a:/d:rw,z", "cache:/e:nocopy"]
    );
    assert_eq!(body.volumes.unwrap(), ["/f"]);
    let mounts = host.mounts.unwrap();
    assert_eq!(mounts[0].tmpfs_options.as_ref().unwrap().size_bytes, Some(1024));
    assert_eq!((mounts[1].source.as_deref(), mounts[1].read_only), (Some("/srv/a:b"), Some(true)));
}

#[test]
fn a_mount_cannot_say_what_it_must_not() {
    let folder = || MountSource::Folder("/srv".into());
    for (mount, text) in [
        (mount(folder(), "a", false, &[]), "mount at `a`: the path is not absolute"),
        (mount(folder(), "/a:rw", true, &[]), "mount at `/a:rw`: the path has a colon"),
        (mount(folder(), "/a", true, &["rw"]), "mount at `/a`: option `rw` contradicts its access"),
        (mount(folder(), "/a", false, &["ro"]), "mount at `/a`: option `ro` contradicts its access"),
        (mount(folder(), "/a", true, &["z,rw"]), "mount at `/a`: `z,rw` is no option"),
        (
            mount(MountSource::Folder("srv".into()), "/a", true, &[]),
            "mount `srv`: the path is not absolute, or no text",
        ),
        (mount(MountSource::Volume("/etc".into()), "/a", true, &[]), "`/etc` is no name of a volume"),
        (mount(MountSource::Volume("a:b".into()), "/a", true, &[]), "`a:b` is no name of a volume"),
        (
            mount(MountSource::Anonymous, "/a", true, &[]),
            "mount at `/a`: a volume without a name has no options",
        ),
    ] {
        let mut spec = spec();
        spec.mounts = vec![mount];
        assert_eq!(refused(&spec), text);
    }
}

#[test]
fn networks_have_an_order() {
    let mut spec = spec();
    assert_eq!(spec.networks_in_order(), ("default", [].as_slice()));
    spec.networks = vec!["n1".to_owned(), "n2".to_owned()];
    assert_eq!(spec.networks_in_order(), ("n1", ["n2".to_owned()].as_slice()));
    spec.no_network = true;
    assert_eq!(spec.networks_in_order().0, "none");
}

#[test]
fn ports_are_published_on_loopback_only() {
    let mut spec = spec();
    spec.publish = vec![PublishSpec { container_port: 80, udp: false, host_port: None }];
    let bindings = spec.body().unwrap().host_config.unwrap().port_bindings.unwrap();
    let binding = &bindings["80/tcp"].as_ref().unwrap()[0];
    assert_eq!((binding.host_ip.as_deref(), binding.host_port.as_deref()), (Some("127.0.0.1"), Some("")));
}

#[test]
fn options_are_known_or_refused() {
    let mut spec = spec();
    spec.options =
        vec![("shm-size".to_owned(), "64m".to_owned()), ("ulimit".to_owned(), "nofile=1:2".to_owned())];
    let host = spec.body().unwrap().host_config.unwrap();
    assert_eq!((host.shm_size, host.ulimits.unwrap()[0].hard), (Some(64 << 20), Some(2)));
    for (name, value, text) in [
        ("pid", "host", "option `pid` is not known"),
        ("shm-size", "big", "option `shm-size`: `big` is no size such as `64m`"),
        ("ulimit", "nofile", "option `ulimit`: `nofile` is no limit such as `nofile=1024:2048`"),
    ] {
        spec.options = vec![(name.to_owned(), value.to_owned())];
        assert_eq!(refused(&spec), text);
    }
}

#[test]
fn files_need_a_root_that_can_be_written() {
    let mut spec = spec();
    spec.read_only_root = true;
    spec.files = vec![FileSpec { path: "/a".to_owned(), content: SecretBytes::new("x"), mode: 0o400 }];
    assert_eq!(refused(&spec), "place files in a container whose root cannot be written");
}
