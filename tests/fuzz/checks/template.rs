//! The template language: any template over any configuration.
//!
//! The first line of the input is the template, the rest a configuration file.

use host_config::ServerConfigs;
use host_resolver::template;

pub(crate) fn holds(input: &str) {
    let (text, config) = input.split_once('\n').unwrap_or((input, ""));
    let configs = ServerConfigs::parse(config, "config.yaml").map(|(configs, _)| configs).unwrap_or_default();
    let values = configs.servers.get("a").map(|config| &config.values);
    let root = template::server_root("a", values);
    let (Ok(one), Ok(many)) = (template::text(text, &root), template::words(text, &root)) else {
        // Only what has pipes or large values grows.
        assert!(text.contains("{{"));
        return;
    };
    assert_eq!(one.missing, many.missing);
    assert!(one.value.len() <= 2 * template::MAX_BYTES, "{}", one.value.len());
    if !text.contains("{{") {
        // What is no template is not touched.
        assert_eq!(one.value, text);
        assert_eq!(many.value, [text]);
    }
    let _ = template::complaints(text);
    let _ = host_resolver::expand(text, &[]);
    let _ = host_resolver::unknown_variables(text, &["A"]);
}
