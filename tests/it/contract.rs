//! The contract in `wit/` keeps its own rules, and its pages are up to date.
//!
//! Track 0.1 is frozen (`frozen`): a change of what was promised is seen as one.

#![expect(clippy::unwrap_used, reason = "what cannot be read ends the test there")]

mod closed;
mod frozen;
mod reserved;

use gateway_tests::contract::{Contract, Shape, UPDATE, reference_file, repository, track};
use std::collections::{BTreeMap, BTreeSet};

fn contract() -> Contract {
    Contract::read(&track()).unwrap()
}

/// Fails with every finding at once, because they are mended together.
fn nothing_found(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

#[test]
fn the_reference_page_is_what_the_generator_writes() {
    let kept = std::fs::read_to_string(reference_file()).unwrap_or_default();
    let now = contract().reference();
    let different = kept.lines().zip(now.lines()).position(|(a, b)| a != b);
    let line = different.unwrap_or_else(|| kept.lines().count().min(now.lines().count())) + 1;
    assert!(
        kept == now,
        "`wit/v0.1/reference.md` is out of date from line {line} on; update it with: {UPDATE}"
    );
}

#[test]
fn the_reference_page_is_the_same_each_time_and_its_links_have_one_target() {
    let page = contract().reference();
    assert_eq!(page, contract().reference());
    let mut targets = BTreeMap::new();
    for heading in page.lines().filter(|l| l.starts_with('#')) {
        let slug: String = heading
            .trim_start_matches(['#', ' '])
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        *targets.entry(slug).or_insert(0) += 1;
    }
    let mut bad: BTreeSet<String> = targets
        .iter()
        .filter(|(_, times)| **times > 1)
        .map(|(slug, _)| format!("two headings `{slug}`"))
        .collect();
    for link in page.split("](#").skip(1).filter_map(|rest| rest.split(')').next()) {
        if !targets.contains_key(link) {
            bad.insert(format!("no heading for the link `{link}`"));
        }
    }
    nothing_found("each link needs one heading", &bad.into_iter().collect::<Vec<_>>());
}

#[test]
fn everything_but_a_self_explaining_member_is_documented() {
    let contract = contract();
    let mut missing = Vec::new();
    let mut look = |what: &str, name: &str, docs: &Option<String>| {
        if docs.is_none() {
            missing.push(format!("{what} `{name}`"));
        }
    };
    look("package", &contract.name, &contract.docs);
    for world in &contract.worlds {
        look("world", &world.name, &world.docs);
    }
    for interface in &contract.interfaces {
        look("interface", &interface.name, &interface.docs);
    }
    for (interface, item) in contract.types() {
        look(item.shape.word(), &format!("{interface}.{}", item.name), &item.docs);
    }
    for (name, function) in contract.functions() {
        look("function", &name, &function.docs);
    }
    nothing_found(
        "every world, interface, type, resource, function and method has a comment (`///`); fields and cases may speak for themselves",
        &missing,
    );
}

#[test]
fn every_resource_has_a_method() {
    // A handle that can do nothing cannot be shown in a log, and some generators leave a resource without functions out.
    let contract = contract();
    let bare: Vec<_> = contract
        .types()
        .filter(|(_, item)| matches!(&item.shape, Shape::Resource(methods) if methods.is_empty()))
        .map(|(interface, item)| format!("`{interface}.{}`", item.name))
        .collect();
    nothing_found("a resource needs at least one method", &bare);
}

#[test]
fn functions_are_plain_and_numbers_have_at_most_32_bits() {
    // `world.wit` and `types.wit` promise both, for languages without either.
    let contract = contract();
    let mut found: Vec<_> = contract
        .functions()
        .filter(|(_, f)| f.is_async)
        .map(|(name, _)| format!("`{name}` is async"))
        .collect();
    let members = contract.types().flat_map(|(interface, item)| {
        let alias = match &item.shape {
            Shape::Alias(ty) => Some((format!("{interface}.{}", item.name), ty)),
            _ => None,
        };
        let fields = item
            .shape
            .members()
            .iter()
            .filter_map(move |m| Some((format!("{interface}.{}.{}", item.name, m.name), m.ty.as_ref()?)));
        alias.into_iter().chain(fields)
    });
    let signatures = contract.functions().flat_map(|(name, f)| {
        f.parameters
            .iter()
            .map(|(_, ty)| ty)
            .chain(&f.result)
            .map(move |ty| (name.clone(), ty))
            .collect::<Vec<_>>()
    });
    for (name, ty) in members.chain(signatures) {
        let text = ty.to_string();
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        found.extend(
            words
                .filter(|w| matches!(*w, "u64" | "s64" | "f32" | "f64" | "error-context"))
                .map(|w| format!("`{name}` has a `{w}`")),
        );
    }
    nothing_found("plain functions, and no numbers of 64 bits or with a point", &found);
}

/// Handles that a plugin must put into a record all the same. Each would be in the wishes of `wit/README.md`.
const MUST_BE_THERE: [&str; 0] = [];

#[test]
fn what_plugins_return_can_be_returned_without_handles_in_records() {
    // For guest languages that cannot put a resource into a record: the handle is optional there, and a function takes it instead.
    let contract = contract();
    let resources: BTreeSet<_> = contract
        .types()
        .filter(|(_, item)| matches!(item.shape, Shape::Resource(_)))
        .map(|(_, item)| item.name.as_str())
        .collect();
    let exported = &contract.worlds.iter().find(|w| w.name == "offers").unwrap().exports;
    let mut found = Vec::new();
    for (interface, item) in contract.types().filter(|(interface, _)| exported.iter().any(|e| e == interface))
    {
        for member in item.shape.members() {
            let name = format!("{interface}.{}.{}", item.name, member.name);
            let text = member.ty.as_ref().map(ToString::to_string).unwrap_or_default();
            match (resources.contains(text.as_str()), MUST_BE_THERE.contains(&name.as_str())) {
                (true, false) => found.push(format!("`{name}` is a `{text}` that must be there")),
                (false, true) => found.push(format!("`{name}` is optional now; take it off the list")),
                (true, true) | (false, false) => {}
            }
        }
    }
    nothing_found("handles in answers of plugins are `option`, with a `hand-over` beside them", &found);
}

#[test]
fn every_interface_is_reached_by_the_world_of_all_plugins() {
    let contract = contract();
    let plugin = contract.worlds.iter().find(|w| w.name == "plugin").unwrap();
    let all: BTreeSet<_> = plugin.imports.iter().chain(&plugin.exports).collect();
    let lost: Vec<_> =
        contract.interfaces.iter().map(|i| &i.name).filter(|name| !all.contains(name)).cloned().collect();
    nothing_found("interfaces that world `plugin` lacks", &lost);
    let more: Vec<_> = contract
        .worlds
        .iter()
        .flat_map(|w| w.imports.iter().chain(&w.exports).map(move |name| (w, name)))
        .filter(|(_, name)| !all.contains(name))
        .map(|(w, name)| format!("`{}` has `{name}`", w.name))
        .collect();
    nothing_found("a smaller world has what world `plugin` lacks", &more);
}

/// Dotted names that look like ours and are somebody else's.
const FOREIGN: [&str; 1] = [
    // Kubernetes' own field.
    "status.conditions",
];

#[test]
fn pages_and_comments_name_only_what_exists() {
    let contract = contract();
    let mut pages = vec![repository().join("wit/README.md")];
    pages.extend(wit_files(&track()).into_keys().map(|name| track().join(name)));
    let mut found = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        found.extend(
            contract
                .unknown_names(&text)
                .into_iter()
                .filter(|n| !FOREIGN.contains(&n.as_str()))
                .map(|n| format!("{name}: `{n}`")),
        );
    }
    nothing_found("names of the contract that the contract does not have", &found);
}

#[test]
fn a_name_that_does_not_exist_is_found() {
    let text = "see `lease.state`, `docker.start`, `run-output.ending`, `lease.stat`, `docker.begin`, `gateway.yaml`";
    assert_eq!(contract().unknown_names(text), ["lease.stat", "docker.begin"]);
}

#[test]
fn the_sdk_ships_the_same_contract() {
    // A published crate can only contain files below its own folder; a link or a copy, both are fine.
    assert_eq!(wit_files(&repository().join("sdk/rust/wit")), wit_files(&track()));
}

fn wit_files(folder: &std::path::Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "wit") {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, std::fs::read_to_string(&path).unwrap());
        }
    }
    assert!(!files.is_empty(), "no `.wit` files in `{}`", folder.display());
    files
}
