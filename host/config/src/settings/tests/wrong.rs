//! What is said about a file that is wrong: everything at once, each with its place and the way out.

use super::problems;

#[test]
fn everything_wrong_is_said_at_once() {
    let text = "\
catalogs: ./catalog.yaml
secrets: ['env:', '~/x', '']
servers:
  notes:
    component: ./notes.wasm
    image: mcp/notes
    foldrs: []
    folders: [{path: ./data, mount: data, access: write}, {mount: /a}]
    memory: 64MX
    cpus: none
    startTimeout: 60
    allowHosts: [api.example]
  notes: {image: x}
  empty: {}
  old: {image: i, args: [x], type: sever}
  both: {image: i, remote: {url: 'https://x.example', transport_type: websocket}}
  url: {remote: {url: x, transport_type: sse}}
  kit: {tools: [{name: t}]}
  ' a': {image: i, env: [{name: 'A=B', value: x}], secrets: [{name: '', env: S}], command: [x, null]}
front: {transport: websocket, port: 99999, names: prefix, hosts: []}
pool: {cap: 0, idle: soon}
registry: {}
";
    insta::assert_snapshot!(problems(text), @r"
    gateway.yaml:1:11: `catalogs` must be a list, not text
      hint: write a list, also of one: `catalogs: [...]`
    gateway.yaml:2:11: each of `secrets`: `env:` is the whole environment
      hint: say how the variables start: `env:ACME_`
    gateway.yaml:2:19: each of `secrets`: `~/x` is not expanded here
      hint: write the path out; a relative one starts at the folder of this file
    gateway.yaml:2:26: each of `secrets`: the empty text is not a path
    gateway.yaml:5:16: both `image` and `component`
      hint: a server is one thing; keep one of them
    gateway.yaml:7:5: unknown key `foldrs`
      hint: did you mean `folders`?
    gateway.yaml:8:37: `mount`: `data` is not an absolute path
      hint: it must start with `/`, without `..`
    gateway.yaml:8:51: `access`: `write` is not known here
      hint: write one of `readOnly`, `readWrite`
    gateway.yaml:8:59: a folder without a `path`
      hint: for example `path: ./data`
    gateway.yaml:9:13: `memory`: `64MX` is not a size
      hint: write it like `512MiB`, `64m` or `2Gb`
    gateway.yaml:10:11: `cpus`: `none` is not a number of processors
      hint: write it like `0.5` or `2`
    gateway.yaml:11:19: `startTimeout`: `60` is a number without a unit of time
      hint: seconds are `60s`
    gateway.yaml:12:18: each of `allowHosts`: `api.example` is without a port
      hint: write it like `api.example:443` or `db.example:5432/tcp`
    gateway.yaml:13:3: the key `notes` is already defined at line 4
      hint: keep one of the two
    gateway.yaml:14:3: nothing says what the server `empty` is
      hint: give it `image`, `component`, `bundled`, `remote` or `tools`
    gateway.yaml:15:25: `args` is for components only
      hint: say `command`, which means the same for every kind of server
    gateway.yaml:15:36: `type`: `sever` is not a type of server
      hint: did you mean `server`? it can also be left out
    gateway.yaml:16:28: both `image` and `remote`
      hint: a server is one thing; keep one of them
    gateway.yaml:16:71: `transport_type`: `websocket` is not known here
      hint: write one of `streamable-http`, `sse`
    gateway.yaml:17:23: `x` is not a URL
      hint: write it like `https://mcp.example/mcp`
    gateway.yaml:18:16: the tool `t` has no image
      hint: give it `container: {image: ...}`, or the server an `image`
    gateway.yaml:19:3: ` a` cannot be the name of a server
      hint: names are not empty and have no spaces around them
    gateway.yaml:19:33: `name`: `A=B` cannot be the name of an environment variable
    gateway.yaml:19:62: a secret without a `name`
      hint: `name` is what it is looked up by, for example `name: notes.token`
    gateway.yaml:19:96: an element of `command` is empty
    gateway.yaml:20:20: `transport`: `websocket` is not known here
      hint: write one of `stdio`, `sse`, `streaming`
    gateway.yaml:20:37: `port` must be between 0 and 65535, not 99999
    gateway.yaml:20:51: `names`: `prefix` is not known here
      hint: write one of `clash`, `all`, `fail`
    gateway.yaml:20:59: unknown key `hosts`
      hint: did you mean `host`?
    gateway.yaml:21:13: `cap` must be between 1 and 1000000, not 0
    gateway.yaml:21:22: `idle`: `soon` is not a length of time
      hint: write it like `300ms`, `5s`, `10m` or `1h30m`
    gateway.yaml:22:1: unknown key `registry`
      hint: servers stand under `servers:` here; rename the key
    ");
}

#[test]
fn everything_wrong_with_plugins_is_said() {
    let text = "\
plugins:
  Acme: {path: ./a.wasm, bundled: embedded}
  none: {}
  typo: {bundled: embeded, settings: [x], limits: {cpu: 0s, handles: 0, memory: x, hostcalls: 1}}
  wide:
    path: ./w.wasm
    grants:
      embedded: yes please
      docker: {networks: ['']}
      kubernetes: true
      http:
        - {host: 'https://x.example', methods: [], paths: [x]}
        - {methods: [GET], sign: {}}
        - {host: x.example, methods: ['GET /'], sign: {kind: awsSigV4, secret: k}}
        - {host: x.example, methods: [GET], sign: {kind: bearer, secret: k}}
      registry: {}
      secrets: [k, {name: k}]
      filesystem: true
  cluster: {path: ./c.wasm, grants: {kubernetes: {namespaces: ['*'], kinds: [Pod]}, embedded: {hosts: [h]}}}
placement:
  - {servers: [], provisioner: dcoker}
  - {servers: [''], kind: container, provisioner: Acme}
  - {kind: image}
  - {server: x, provisioner: typo}
";
    insta::assert_snapshot!(problems(text), @r#"
    gateway.yaml:2:3: `Acme` cannot be the name of a plugin
      hint: use up to 40 lower-case letters, digits and `-`, starting with a letter
    gateway.yaml:2:35: both `path` and `bundled`
      hint: a plugin comes from a file or from inside the gateway; keep one
    gateway.yaml:3:3: nothing says where the plugin `none` is
      hint: for example `path: ./none.wasm` here, or `--plugin ./none.wasm` on the command line
    gateway.yaml:4:19: the gateway carries no plugin `embeded` inside itself
      hint: did you mean `embedded`?
    gateway.yaml:4:38: `settings` must be a map, not a list
    gateway.yaml:4:57: `cpu`: `0s` is no time at all
      hint: write it like `30s`
    gateway.yaml:4:70: `handles` must be between 1 and 10000000, not 0
    gateway.yaml:4:81: `memory`: `x` is not a size
      hint: write it like `512MiB`, `64m` or `2Gb`
    gateway.yaml:4:84: unknown key `hostcalls`
      hint: did you mean `hostCalls`?
    gateway.yaml:8:17: `embedded` must be a map, not text
      hint: it has the keys `memory`, `cpu`, `folders`, `hosts`
    gateway.yaml:9:15: `images` names nothing
      hint: what is not named is not granted; for example `images: ["mcp/*"]`
    gateway.yaml:9:27: each of `networks`: the empty text is not a pattern
      hint: `*` fits everything
    gateway.yaml:10:19: `kubernetes` must be a map, not `true`
      hint: name the namespaces and kinds: `{namespaces: [mcp], kinds: [v1/Pod]}`
    gateway.yaml:12:18: `host`: `https://x.example` is a URL, not a host
      hint: write it like `api.example` or `*.example:8443`
    gateway.yaml:12:48: `methods` names nothing
      hint: what is not named is not granted; for example `methods: [GET]`
    gateway.yaml:12:60: each of `paths`: `x` is not a path
      hint: it must start with `/`, for example `/v1/*`
    gateway.yaml:13:11: an HTTP grant without a `host`
      hint: for example `host: api.example`
    gateway.yaml:13:34: `sign` without a `kind`
      hint: write one of `awsSigV4`, `googleAccessToken`, `googleIdToken`, `bearer`
    gateway.yaml:14:39: each of `methods`: `GET /` is not an HTTP method
      hint: write it like `GET`, or `*` for all
    gateway.yaml:14:80: `secret` means nothing for `awsSigV4`
    gateway.yaml:16:17: `hosts` names nothing
      hint: what is not named is not granted; for example `hosts: [registry.example]`
    gateway.yaml:17:17: each of `secrets` must be a map, not text
      hint: it has the keys `name`, `hosts`
    gateway.yaml:17:20: `hosts` names nothing
      hint: what is not named is not granted; for example `hosts: [api.example]`
    gateway.yaml:18:7: unknown key `filesystem`
      hint: known here: `embedded`, `docker`, `kubernetes`, `http`, `registry`, `connect`, `secrets`
    gateway.yaml:19:64: each of `namespaces`: `*` is not the name of a namespace
      hint: write names of lower-case letters, digits and `-`; there are no patterns
    gateway.yaml:19:78: each of `kinds`: `Pod` is not a kind of object
      hint: write it like `v1/Pod` or `apps/v1/Deployment`
    gateway.yaml:19:104: each of `hosts`: `h` is without a port
      hint: write `h:443`, or `h:*` for every port
    gateway.yaml:21:15: `servers` names nothing
      hint: leave `servers` out if the rule is for all of them
    gateway.yaml:21:32: there is no provisioner `dcoker`
      hint: did you mean `docker`?
    gateway.yaml:22:16: each of `servers`: the empty text is not a pattern
      hint: `*` fits everything
    gateway.yaml:22:27: `kind`: `container` is not known here
      hint: write one of `image`, `remote`, `toolContainers`, `component`, `process`
    gateway.yaml:23:5: a placement without a `provisioner`
      hint: name who runs these servers: `provisioner: embedded`
    gateway.yaml:24:6: unknown key `server`
      hint: did you mean `servers`?
    "#);
}
