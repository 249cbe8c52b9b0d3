//! What a plugin does not get out of an engine.

use super::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_beyond_the_container_is_had() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    for (name, text) in [
        ("privileged", "plugin `docker` may not run a container privileged"),
        ("capability", "plugin `docker` may not give a container the capability `SYS_ADMIN`"),
        ("network host", "plugin `docker` may not let a container join network `host`"),
        ("network container:x", "plugin `docker` may not let a container join network `container:x`"),
        ("network bridge", "plugin `docker` may not let a container join network `bridge`"),
        ("mount /etc", "the mount at `/host` is not one of this call's server"),
        ("mount folder-0", "the mount at `/host` is not one of this call's server"),
        ("option runtime runc", "plugin `docker` may not use the option `runtime`"),
        ("option pid host", "this gateway does not know the option `pid`"),
        ("port", "port 8080 of this machine is not one of the server's entry"),
    ] {
        let failure = refused(&plugin, server(name)).await;
        assert_eq!(failure.text, text, "{name}");
    }
    let privileged = refused(&plugin, server("privileged")).await;
    assert_eq!(privileged.class, Class::Permission);
    let hint = "if you trust it with that, set `plugins.docker.grants.docker.privileged: true`";
    assert_eq!(privileged.hint.as_deref(), Some(hint));
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_stays_with_its_servers_own_container() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    for (name, text) in [
        (
            "image mcp/argv:1",
            "image `mcp/argv:1` may not get secrets of server `image mcp/argv:1`: it is not the server's own",
        ),
        ("entrypoint", "a container that carries secrets cannot have another entry point"),
        ("arguments", "the arguments of a server that carries secrets must be those of its entry"),
        ("dns", "a container that carries secrets cannot have DNS servers of a plugin's choice"),
        (
            "elsewhere",
            "secret `token` may not go into the variable `OTHER`: the entry of server `elsewhere` does not put it there so",
        ),
        ("look", "read the output of container"),
    ] {
        let failure = refused(&plugin, with_secret(server(name), &run.host)).await;
        assert!(failure.text.starts_with(text), "{name}: {}", failure.text);
        assert!(!format!("{failure:?}").contains(SECRET), "{name}");
    }
    let looked = refused(&plugin, with_secret(server("look"), &run.host)).await.text;
    assert!(looked.ends_with(": it carries secrets") && looked.contains("run a program in"), "{looked}");
    let ended = with_secret(image_server("end", &["sh", "-c", "exit 7"]), &run.host);
    assert_eq!(refused(&plugin, ended).await.text, "Some((\"exited\", None))");
    // Without secrets both are told.
    let ended = image_server("end", &["sh", "-c", "exit 7"]);
    assert_eq!(refused(&plugin, ended).await.text, "Some((\"exited\", Some(7)))");
    let looked = refused(&plugin, image_server("look", &["sleep", "1000"])).await.text;
    assert_eq!(looked, "\"\" / 0");
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn somebody_elses_container_is_not_there_for_a_plugin() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    let other = run.plugin("other", DockerGrant::default()).await;
    // One without labels, one of another server, one of another plugin.
    let foreign = format!("gwtest-foreign-{}", run.gateway);
    let mut spec = host_workload_docker::ContainerSpec::new(&foreign, IMAGE);
    spec.arguments = vec!["sleep".to_owned(), "1000".to_owned()];
    spec.no_network = true;
    let foreign_id = run.engine.create(&spec).await.unwrap();
    let neighbour = provision(&plugin, server("run neighbour")).await.unwrap();
    let others = provision(&other, server("run others")).await.unwrap();
    let names = [&foreign, &neighbour.lease.objects[0].name, &others.lease.objects[0].name];
    for name in names {
        for what in ["inspect", "remove", "stop", "attach", "link"] {
            let failure = refused(&plugin, server(&format!("{what} {name}"))).await;
            assert_eq!(failure.text, format!("container `{name}` is not one of this call"), "{what}");
            assert_eq!(failure.class, Class::Permission);
        }
        assert!(run.engine.inspect(name).await.unwrap().is_some());
    }
    assert_eq!(refused(&plugin, server("inspect gwtest-nothing")).await.text, "None");
    assert_eq!(
        refused(&plugin, server("remove ../../version")).await.text,
        "`../../version` is no name of a container"
    );
    run.engine.remove(&foreign_id).await.unwrap();
    plugin.release(&call(), &neighbour.lease, ReleaseReason::Ended).await.unwrap();
    other.release(&call(), &others.lease, ReleaseReason::Ended).await.unwrap();
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn folders_of_catalogues_need_a_grant_and_some_are_never_given() {
    let Some(run) = Run::new().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().canonicalize().unwrap();
    std::os::unix::fs::symlink("/etc", base.join("link")).unwrap();
    std::fs::create_dir(base.join(".ssh")).unwrap();
    let bind = crate::FolderGrant { path: base.clone(), access: Access::ReadOnly };
    let plugin = run.plugin("docker", DockerGrant { binds: vec![bind], ..DockerGrant::default() }).await;
    let asks = |path: &Path, access| mounted(server("run"), path, access, false);
    let text = async |spec: ServerSpec| refused(&plugin, spec).await.text;
    let shown = |path: &Path| path.display().to_string();
    assert_eq!(
        text(asks(&base, Access::ReadWrite)).await,
        format!("server `run` asks for the folder `{}` for writing, which no grant covers", shown(&base))
    );
    assert_eq!(
        text(asks(Path::new("/srv/none"), Access::ReadOnly)).await,
        "server `run` asks for the folder `/srv/none`, which no grant covers"
    );
    for (path, leads, why) in [
        (base.join("link"), " (which is `/etc`)", "a folder of the system"),
        (base.join(".ssh"), "", "where credentials are kept"),
        ("/var/run/docker.sock".into(), " (which is `/run/docker.sock`)", "a folder of the system"),
    ] {
        let expected =
            format!("server `run` asks for `{}`{leads}, {why}; catalogues never get that", shown(&path));
        assert_eq!(text(asks(&path, Access::ReadOnly)).await, expected);
    }
    // Whoever sees a socket may speak to the program behind it.
    std::fs::create_dir(base.join("agent")).unwrap();
    let socket = base.join("agent/s");
    let listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    for path in [&base, &base.join("agent"), &socket] {
        let expected = format!(
            "server `run` asks for `{}`, where the socket `{}` of another program is; catalogues never get that",
            shown(path),
            shown(&socket)
        );
        assert_eq!(text(asks(path, Access::ReadOnly)).await, expected);
    }
    drop(listener);
    std::fs::remove_file(&socket).unwrap();
    // More than the entry allows.
    let write = mounted(server("write"), &base, Access::ReadOnly, true);
    assert_eq!(text(write).await, "the server's entry allows only reading at `/data`");
    // What the grant covers, and what the operator himself names.
    let mut granted = provision(&plugin, {
        let mut spec = asks(&base, Access::ReadOnly);
        spec.workload = image_server("run", &["ls", "-a", "/data"]).workload;
        spec
    })
    .await
    .unwrap();
    assert!(output(&mut granted).await.contains("link"));
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn images_and_networks_are_those_of_the_grant() {
    let Some(run) = Run::new().await else { return };
    let network = format!("gwtest-net-{}", run.gateway);
    let spec = NetworkSpec { name: network.clone(), internal: true, labels: Vec::new() };
    run.engine.create_network(&spec).await.unwrap();
    let grant = DockerGrant {
        images: vec![NamePattern::new("mcp/busybox:*")],
        networks: vec![NamePattern::new("gwtest-net-*")],
        ..DockerGrant::default()
    };
    let plugin = run.plugin("docker", grant).await;
    let failure = refused(&plugin, server("image mcp/argv:1")).await;
    assert_eq!(failure.text, "plugin `docker` may not use image `mcp/argv:1`");
    let hint = "if you trust it with that, add `mcp/argv:1` to `plugins.docker.grants.docker.images`";
    assert_eq!(failure.hint.as_deref(), Some(hint));
    assert_eq!(refused(&plugin, server("pull mcp/argv:1")).await.text, failure.text);
    assert!(refused(&plugin, server("pull mcp/busybox:1")).await.text.starts_with("sha256:"));
    let joined = provision(&plugin, server(&format!("network {network}"))).await.unwrap();
    let container = &joined.lease.objects[0].name;
    assert_eq!(run.engine.networks_of(container).await.unwrap(), std::slice::from_ref(&network));
    // A server that may reach nothing gets no network at all, granted or not.
    let mut none = server(&format!("network {network}"));
    none.egress = Egress::None;
    let text = refused(&plugin, none).await.text;
    assert!(text.ends_with("may reach nothing, and this container could reach more"), "{text}");
    assert_eq!(
        refused(&plugin, server("check")).await.text,
        "plugin `docker` may not use image `evil/image`; plugin `docker` may not run a container privileged; \
         plugin `docker` may not let a container join network `host`"
    );
    let foreign = refused(&plugin, server(&format!("remove-network {network}"))).await;
    assert_eq!(foreign.text, format!("network `{network}` is not one of this call"));
    plugin.release(&call(), &joined.lease, ReleaseReason::Ended).await.unwrap();
    run.engine.remove_network(&network).await.unwrap();
    run.ends().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_only_read_create_and_remove_nothing() {
    let Some(run) = Run::new().await else { return };
    let plugin = run.plugin("docker", DockerGrant::default()).await;
    let failure = plugin.validate(&call(), &server("run")).await.unwrap_err();
    assert_eq!(failure.text, "nothing is started in `validate` / nothing is removed in `validate`");
    run.ends().await;
}
