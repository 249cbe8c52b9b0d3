//! Files and secrets are found from where the settings file is.

use super::*;

#[test]
fn files_are_found_from_where_the_file_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("gateway.yaml");
    std::fs::write(&path, "catalogs: [c.yaml]\nstate: ../state\n").unwrap();
    let settings = Settings::load(&path, &Context::default()).unwrap();
    assert_eq!(settings.catalogs[0].path, folder.path().join("c.yaml"));
    assert_eq!(settings.source, path.display().to_string());
    let absent = Settings::load(&folder.path().join("x.yaml"), &Context::default()).unwrap_err();
    assert!(absent.to_string().ends_with("x.yaml: no such file"), "{absent}");
}

#[test]
fn an_entry_without_a_path_is_completed_by_a_file_that_was_given() {
    let given = [("acme".to_owned(), Located::new("build/acme.wasm", Path::new("/srv")).unwrap())];
    let context = Context { given_plugins: &given, ..CONTEXT };
    let read = |text| Settings::parse(text, "gateway.yaml", Path::new("/etc/gateway"), &context);
    let settings = read("plugins: {acme: {grants: {embedded: true}}}").unwrap();
    assert!(
        matches!(&settings.plugins[0].source, PluginSource::File(file) if file.path == Path::new("/srv/build/acme.wasm"))
    );
    assert!(settings.plugins[0].grants.embedded.is_some());
    let settings = read("plugins: {acme: {path: ./own.wasm}}").unwrap();
    assert!(matches!(&settings.plugins[0].source, PluginSource::File(file) if file.written == "./own.wasm"));
    let problems = read("plugins: {other: {}}").unwrap_err().to_string();
    assert!(problems.contains("nothing says where the plugin `other` is"), "{problems}");
}

#[test]
fn the_state_folder_can_be_had_from_a_file_that_is_wrong_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.yaml");
    for (text, state) in [
        ("state: ./state\nserver: {}\nplacement: [{provisioner: gone}]\n", Some("state")),
        ("servers: {}\n", None),
        ("", None),
    ] {
        std::fs::write(&file, text).unwrap();
        let found = Settings::state_of(&file).unwrap().map(|located| located.path);
        assert_eq!(found, state.map(|name| folder.path().join(name)), "{text}");
    }
    for (text, what) in [("state: [", "not valid YAML"), ("state: [a]", "`state` must be")] {
        std::fs::write(&file, text).unwrap();
        let problems = Settings::state_of(&file).unwrap_err().to_string();
        assert!(problems.contains(what), "{problems}");
    }
}

#[test]
fn places_of_secrets() {
    let settings = settings("secrets: [./.env, 'folder:/run/secrets', 'env:ACME_']");
    assert!(
        matches!(&settings.secrets[1], SecretSource::Folder(folder) if folder.path == Path::new("/run/secrets"))
    );
    let keychains = super::settings("secrets: [keychain, 'keychain:work', keychain.env]").secrets;
    let keychain = |service: &str| SecretSource::Keychain { service: service.to_owned() };
    assert_eq!(keychains[..2], [keychain("gateway"), keychain("work")]);
    assert!(matches!(&keychains[2], SecretSource::EnvFile(file) if file.written == "keychain.env"));
    let of_docker =
        super::settings("secrets: ['docker-credential:pass', docker-desktop, 'docker-desktop:./e.sock']");
    assert_eq!(of_docker.secrets[0], SecretSource::Helper { name: "pass".to_owned() });
    assert_eq!(of_docker.secrets[1], SecretSource::Engine { socket: None });
    assert!(
        matches!(&of_docker.secrets[2], SecretSource::Engine { socket: Some(at) } if at.path.ends_with("e.sock"))
    );
    let of_clouds = super::settings(
        "secrets: [aws-secrets-manager, 'aws-secrets-manager:prod/mcp#?region=eu-1', 'google-secret-manager:mcp-?project=acme', aws-secrets-manager.env]",
    );
    let aws = |prefix: &str, region: Option<&str>| {
        let (prefix, region) = (prefix.to_owned(), region.map(str::to_owned));
        SecretSource::Cloud(CloudSecrets::Aws { prefix, region, endpoint: None })
    };
    assert_eq!(of_clouds.secrets[..2], [aws("", None), aws("prod/mcp#", Some("eu-1"))]);
    let google =
        CloudSecrets::Google { prefix: "mcp-".to_owned(), project: Some("acme".to_owned()), endpoint: None };
    assert_eq!(of_clouds.secrets[2], SecretSource::Cloud(google));
    assert!(matches!(&of_clouds.secrets[3], SecretSource::EnvFile(_)));
    insta::assert_snapshot!(problems("secrets: ['aws-secrets-manager:a b', 'google-secret-manager:?region=x']"), @r"
    gateway.yaml:1:11: each of `secrets`: `aws-secrets-manager:a b` is not the start of a secret's name
      hint: write it like `aws-secrets-manager:mcp/?region=NAME`
    gateway.yaml:1:38: each of `secrets`: `google-secret-manager:?region=x` is with a part that means nothing here
      hint: write it like `google-secret-manager:mcp/?project=NAME`
    ");
    insta::assert_snapshot!(problems("secrets: ['docker-credential:', 'docker-credential:../x']"), @r"
    gateway.yaml:1:11: each of `secrets`: `docker-credential:` is not the name of a credential helper
      hint: write `docker-credential:pass` for the program `docker-credential-pass`
    gateway.yaml:1:33: each of `secrets`: `docker-credential:../x` is not the name of a credential helper
      hint: write `docker-credential:pass` for the program `docker-credential-pass`
    ");
    insta::assert_snapshot!(problems("secrets: ['folder:', 'env:', 'folder:~/x']"), @r"
    gateway.yaml:1:11: each of `secrets`: the empty text is not a path
    gateway.yaml:1:22: each of `secrets`: `env:` is the whole environment
      hint: say how the variables start: `env:ACME_`
    gateway.yaml:1:30: each of `secrets`: `~/x` is not expanded here
      hint: write the path out; a relative one starts at the folder of this file
    ");
}
