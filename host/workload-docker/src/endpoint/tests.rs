//! Where the engine is, in every order of precedence.

use super::{Endpoint, Surroundings, TlsFiles};
use std::path::{Path, PathBuf};

fn unix(path: &str) -> Endpoint {
    Endpoint::Unix(PathBuf::from(path))
}

fn tcp(host: &str, port: u16) -> Endpoint {
    Endpoint::Tcp { host: host.to_owned(), port, tls: None }
}

/// A context as `docker context create NAME --docker host=…` writes it; the folder is the SHA-256 of the name.
fn write_context(config: &Path, hash: &str, meta: &str) {
    let folder = config.join("contexts/meta").join(hash);
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("meta.json"), meta).unwrap();
}

fn hash_of(name: &str) -> String {
    use sha2::Digest;
    sha2::Sha256::digest(name.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn addresses_are_read() {
    for (text, endpoint) in [
        ("unix:///run/user/1000/docker.sock", unix("/run/user/1000/docker.sock")),
        ("tcp://10.0.0.2:2375", tcp("10.0.0.2", 2375)),
        ("tcp://10.0.0.2", tcp("10.0.0.2", 2375)),
        ("http://engine:80/", tcp("engine", 80)),
        ("tcp://[fe80::1]:99", tcp("fe80::1", 99)),
        ("ssh://me@far:2222", Endpoint::Ssh { destination: "me@far".to_owned(), port: Some(2222) }),
        ("ssh://far", Endpoint::Ssh { destination: "far".to_owned(), port: None }),
    ] {
        assert_eq!(Endpoint::parse(text, None).unwrap(), endpoint, "{text}");
    }
}

#[test]
fn other_addresses_say_what_is_wrong() {
    for (text, why) in [
        ("/var/run/docker.sock", "it has no scheme"),
        ("unix://docker.sock", "the path of a socket is absolute"),
        ("tcp://", "no host and port in it"),
        ("tcp://h:x", "no host and port in it"),
        ("fd://", "this kind of address is not supported"),
        ("ssh://far/run/docker.sock", "a path after the host is not supported"),
        ("ssh://-oProxyCommand=x", "host and user do not begin with `-`"),
        ("ssh://-l@far", "host and user do not begin with `-`"),
        ("https://h:1", "it is encrypted, and nothing says whom to trust"),
    ] {
        assert_eq!(
            Endpoint::parse(text, None).unwrap_err().text,
            format!("use the engine at `{text}`: {why}")
        );
    }
}

#[test]
fn the_flag_wins_then_the_host_then_the_context_then_the_configuration() {
    let config = tempfile::tempdir().unwrap();
    for name in ["flag", "variable", "current"] {
        let meta = format!(
            r#"{{"Name":"{name}","Metadata":{{}},"Endpoints":{{"docker":{{"Host":"tcp://{name}:1","SkipTLSVerify":false}}}}}}"#
        );
        write_context(config.path(), &hash_of(name), &meta);
    }
    std::fs::write(config.path().join("config.json"), r#"{"auths":{},"currentContext":"current"}"#).unwrap();
    let mut around = Surroundings {
        context_flag: Some("flag".to_owned()),
        host: Some("tcp://host:1".to_owned()),
        context: Some("variable".to_owned()),
        config_dir: Some(config.path().to_owned()),
        ..Surroundings::default()
    };
    let find = |around: &Surroundings| Endpoint::find(around).unwrap();
    assert_eq!(find(&around), tcp("flag", 1));
    around.context_flag = None;
    assert_eq!(find(&around), tcp("host", 1));
    around.host = Some(String::new());
    assert_eq!(find(&around), tcp("variable", 1));
    around.context = None;
    assert_eq!(find(&around), tcp("current", 1));
    around.context_flag = Some("default".to_owned());
    assert!(matches!(find(&around), Endpoint::Unix(_)));
}

#[test]
fn a_context_that_cannot_be_used_is_refused_by_name() {
    let config = tempfile::tempdir().unwrap();
    write_context(
        config.path(),
        &hash_of("skip"),
        r#"{"Endpoints":{"docker":{"Host":"tcp://h:1","SkipTLSVerify":true}}}"#,
    );
    write_context(config.path(), &hash_of("none"), r#"{"Endpoints":{"kubernetes":{}}}"#);
    write_context(config.path(), &hash_of("bad"), "{");
    let text = |name: &str| {
        let around = Surroundings {
            context: Some(name.to_owned()),
            config_dir: Some(config.path().to_owned()),
            ..Surroundings::default()
        };
        Endpoint::find(&around).unwrap_err().text
    };
    assert_eq!(text("acme"), "use Docker context `acme`: there is none of that name");
    assert_eq!(text("skip"), "use Docker context `skip`: it trusts every certificate (`SkipTLSVerify`)");
    assert_eq!(text("none"), "use Docker context `none`: it names no Docker engine");
    assert!(text("bad").ends_with("malformed in line 1"), "{}", text("bad"));
}

#[test]
fn rootless_sockets_are_found() {
    let machine = tempfile::tempdir().unwrap();
    let place = |name: &str| machine.path().join(name);
    let around = Surroundings {
        runtime_dir: Some(place("runtime")),
        config_dir: Some(place("config")),
        docker_socket: Some(place("docker.sock")),
        podman_socket: Some(place("podman.sock")),
        ..Surroundings::default()
    };
    // Nothing is there: the place where most people would look for the reason.
    assert_eq!(Endpoint::find(&around).unwrap(), Endpoint::Unix(place("docker.sock")));
    // Each wins over those that were there before it.
    for name in [
        "config/run/docker.sock",
        "podman.sock",
        "runtime/podman/podman.sock",
        "runtime/docker.sock",
        "docker.sock",
    ] {
        std::fs::create_dir_all(place(name).parent().unwrap()).unwrap();
        std::fs::write(place(name), "").unwrap();
        assert_eq!(Endpoint::find(&around).unwrap(), Endpoint::Unix(place(name)), "{name}");
    }
}

#[test]
fn tls_wants_its_files() {
    let certs = tempfile::tempdir().unwrap();
    let around = Surroundings {
        host: Some("tcp://h:2376".to_owned()),
        tls_verify: true,
        cert_path: Some(certs.path().to_owned()),
        ..Surroundings::default()
    };
    let authority = certs.path().join("ca.pem");
    assert_eq!(
        Endpoint::find(&around).unwrap_err().text,
        format!("use TLS: `{}` is missing", authority.display())
    );
    std::fs::write(&authority, "").unwrap();
    let tls = Some(TlsFiles { authority, client: None });
    assert_eq!(Endpoint::find(&around).unwrap(), Endpoint::Tcp { host: "h".to_owned(), port: 2376, tls });
    std::fs::write(certs.path().join("cert.pem"), "").unwrap();
    let missing = certs.path().join("key.pem");
    assert_eq!(
        Endpoint::find(&around).unwrap_err().text,
        format!("use TLS: `{}` is missing", missing.display())
    );
}
