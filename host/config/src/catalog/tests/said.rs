//! What is said about a catalogue.

use super::{problems, warnings};

#[test]
fn what_is_wrong_is_said_at_once() {
    let text = "\
registry:
  notes:
    image: [mcp/notes]
    longLived: 'true'
    command: --verbose
    env:
      - {name: URL, value: {{notes.url}}}
      - URL=x
    metadata: {pulls: many}
    remote: https://mcp.example
  notes:
    volumes: [{a: b}]
  x: y
";
    insta::assert_snapshot!(problems(text), @r"
    catalog.yaml:3:12: `image` must be text, not a list
    catalog.yaml:4:16: `longLived` must be `true` or `false`, not text
      hint: remove the quotes
    catalog.yaml:5:14: `command` must be a list, not text
      hint: write a list, also of one: `command: [...]`
    catalog.yaml:7:28: `value` must be text, not a map
      hint: put quotes around a template: `'{{name.key}}'`
    catalog.yaml:8:9: each of `env` must be a map, not text
      hint: it has the keys `name`, `value`
    catalog.yaml:9:23: `pulls` must be a whole number, not text
    catalog.yaml:10:13: `remote` must be a map, not text
      hint: it has the keys `url`, `transport_type`, `headers`
    catalog.yaml:11:3: the key `notes` is already defined at line 2
      hint: keep one of the two
    catalog.yaml:12:15: each of `volumes` must be text, not a map
    catalog.yaml:13:6: `x` in `registry` must be a map, not text
    ");
    insta::assert_snapshot!(problems("[]"), @r"
    catalog.yaml:1:1: a catalogue must be a map, not a list
      hint: it has the keys `name`, `displayName`, `version`, `registry`, `policy`
    ");
}

#[test]
fn what_has_no_effect_is_said() {
    let text = "\
registry:
  a:
    Image: i
    image: i
    folders: []
    zzz: 1
    dateAdded: x
    ref: x
    toolsUrl: x
    source: {}
    upstream: x
    prompts: 3
    resources: {}
    dynamic: {tools: true}
    secrets: [{name: s, env: S, example: x, description: x, required: true, value: x}]
    remote: {transportType: sse}
servers: {}
";
    insta::assert_snapshot!(warnings(text), @r"
    catalog.yaml:3:5: unknown key `Image`
      hint: did you mean `image`?
    catalog.yaml:5:5: unknown key `folders`
      hint: a catalogue cannot say this; it belongs under `servers:` in `gateway.yaml`
    catalog.yaml:6:5: unknown key `zzz`
    catalog.yaml:15:77: unknown key `value`
      hint: known here: `name`, `env`
    catalog.yaml:16:14: unknown key `transportType`
      hint: did you mean `transport_type`?
    catalog.yaml:17:1: unknown key `servers`
      hint: the servers of a catalogue stand under `registry:`; rename the key
    ");
}
