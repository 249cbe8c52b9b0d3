//! The template language: any template over any configuration.
//!
//! The first line of the input is the template, the rest a configuration file.

#![no_main]

use host_config::ServerConfigs;
use host_resolver::template;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &str| {
    let (text, config) = input.split_once('\n').unwrap_or((input, ""));
    let configs = ServerConfigs::parse(config, "config.yaml").map(|(configs, _)| configs).unwrap_or_default();
    let values = configs.servers.get("a").map(|config| &config.values);
    let root = template::server_root("a", values);
    let one = template::text(text, &root);
    let many = template::words(text, &root);
    assert_eq!(one.missing, many.missing);
    if !text.contains("{{") {
        // What is no template is not touched.
        assert_eq!(one.value, text);
        assert_eq!(many.value, [text]);
    }
    let _ = template::complaints(text);
    let _ = host_resolver::expand(text, &[]);
    let _ = host_resolver::unknown_variables(text, &["A"]);
});
