//! Values are put together from pieces, so that no search for secrets finds them in this file.

use super::*;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::collections::BTreeSet;

fn found(json: &str) -> Option<&'static str> {
    Secrets::new().find(json.as_bytes()).map(|found| found.rule)
}

fn pat() -> String {
    format!("ghp{}{}", "_", "0123456789abcdefghijklmnopqrstuvwxyz")
}

#[test]
fn every_rule_compiles_once_and_has_a_name_of_its_own() {
    let names: BTreeSet<_> = RULES.iter().map(|rule| rule.id).collect();
    assert_eq!((names.len(), RULES.len()), (88, 88));
    for rule in RULES {
        assert!(compiled(rule).is_some(), "{}", rule.id);
        for keyword in rule.keywords {
            assert_eq!(keyword.to_lowercase(), *keyword, "{}", rule.id);
        }
    }
}

/// `TestDoesntContainsSecrets`, `TestContainsSecrets`.
#[test]
fn the_vectors_of_the_original() {
    assert_eq!(found("{\"a\":\"1234567890\"}"), None);
    assert_eq!(found(&format!("{{\"a\":\"{}\"}}", pat())), Some("github-pat"));
    let docker = format!("dckr{}{}", "_pat_", "abcdefghijklmnopqrstuvwxyz1");
    assert_eq!(found(&format!("{{\"a\":\"{docker}\"}}")), Some("docker-pat"));
}

/// One value for each rule, in the form in which it stands in JSON.
#[test]
fn every_rule_finds_what_it_is_for() {
    let (hex, az, digits) = ("0123456789abcdef".repeat(8), "abcdefghij0123456789".repeat(8), "1".repeat(64));
    let (hex, az, digits) =
        (|n: usize| hex[..n].to_owned(), |n: usize| az[..n].to_owned(), |n: usize| digits[..n].to_owned());
    let uuid = "0123abcd-01ab-01ab-01ab-0123456789ab";
    let upper = |n: usize| "ABCDEFGHIJKLMNOP2345".repeat(4)[..n].to_owned();
    let set = |name: &str, value: &str| format!("{{\"{name}_x\": \"{value}\"}}");
    let plain = |value: String| format!("{{\"x\":\"{value}\"}}");
    let key = format!("-----BEGIN {0} KEY-----\\n{1}\\n-----END {0} KEY-----\\n", "RSA PRIVATE", az(64));
    let jwt = format!("ey{}.eyJ{}.{}", az(20), az(20), az(20));
    let cases = [
        ("aws-access-key-id", plain(format!("AK{}{}", "IA", upper(16)))),
        ("aws-secret-access-key", format!("{{\"aws_secret_access_key\":\"{}\"}}", az(40))),
        ("github-pat", plain(format!("gh{}{}", "p_", az(36)))),
        ("github-oauth", plain(format!("gh{}{}", "o_", az(36)))),
        ("github-app-token", plain(format!("gh{}{}", "s_", az(36)))),
        ("github-refresh-token", plain(format!("gh{}{}", "r_", az(76)))),
        ("github-fine-grained-pat", plain(format!("github{}{}_{}", "_pat_", az(22), az(59)))),
        ("gitlab-pat", plain(format!("gl{}{}", "pat-", az(20)))),
        ("hugging-face-access-token", plain(format!("h{}{}", "f_", az(39)))),
        ("private-key", plain(key)),
        ("shopify-token", plain(format!("shp{}{}", "at_", hex(32)))),
        ("slack-access-token", plain(format!("xo{}{}", "xb-", az(20)))),
        ("stripe-publishable-token", plain(format!("pk_{}{}", "live_", az(24)))),
        ("stripe-secret-token", plain(format!("sk_{}{}", "live_", az(24)))),
        ("pypi-upload-token", plain(format!("pypi-{}{}", "AgEIcHlwaS5vcmc", az(60)))),
        ("gcp-service-account", "{\"type\": \"service_account\"}".to_owned()),
        ("heroku-api-key", set("heroku", uuid)),
        ("slack-web-hook", plain(format!("https://hooks.{}/services/{}", "slack.com", az(44)))),
        ("twilio-api-key", plain(format!("S{}{}", "K", hex(32)))),
        (
            "age-secret-key",
            plain(format!("AGE-{}1{}", "SECRET-KEY-", "QPZRY9X8GF".repeat(6)[..58].to_owned())),
        ),
        ("facebook-token", set("facebook", &hex(32))),
        ("twitter-token", set("twitter", &hex(40))),
        ("adobe-client-id", set("adobe", &hex(32))),
        ("adobe-client-secret", plain(format!("p8{}{}", "e-", az(32)))),
        ("alibaba-access-key-id", plain(format!("LT{}{}", "AI", az(20)))),
        ("alibaba-secret-key", set("alibaba", &az(30))),
        ("asana-client-id", set("asana", &digits(16))),
        ("asana-client-secret", set("asana", &az(32))),
        ("atlassian-api-token", set("atlassian", &az(24))),
        ("bitbucket-client-id", set("bitbucket", &az(32))),
        ("bitbucket-client-secret", set("bitbucket", &az(64))),
        ("beamer-api-token", set("beamer", &format!("b_{}", az(44)))),
        ("clojars-api-token", plain(format!("CLOJARS{}{}", "_", az(60)))),
        ("contentful-delivery-api-token", set("contentful", &az(43))),
        ("databricks-api-token", plain(format!("dap{}{}", "i", hex(32)))),
        ("discord-api-token", set("discord", &hex(64))),
        ("discord-client-id", set("discord", &digits(18))),
        ("discord-client-secret", set("discord", &az(32))),
        ("doppler-api-token", plain(format!("dp.{}{}", "pt.", az(43)))),
        ("dropbox-api-secret", set("dropbox", &az(15))),
        ("dropbox-short-lived-api-token", set("dropbox", &format!("sl.{}", az(135)))),
        ("dropbox-long-lived-api-token", set("dropbox", &format!("{}AAAAAAAAAA{}", az(11), az(43)))),
        ("duffel-api-token", plain(format!("duffel{}{}", "_live_", az(43)))),
        ("dynatrace-api-token", plain(format!("dt0{}{}.{}", "c01.", az(24), az(64)))),
        ("easypost-api-token", plain(format!("EZ{}{}", "AK", az(54)))),
        ("fastly-api-token", set("fastly", &az(32))),
        ("finicity-client-secret", set("finicity", &az(20))),
        ("finicity-api-token", set("finicity", &hex(32))),
        ("flutterwave-public-key", plain(format!("FLW{}{}-X", "PUBK_TEST-", hex(32)))),
        ("flutterwave-enc-key", plain(format!("FLW{}{}", "SECK_TEST", hex(12)))),
        ("frameio-api-token", plain(format!("fio{}{}", "-u-", az(64)))),
        ("gocardless-api-token", plain(format!("live{}{}", "_", az(40)))),
        ("grafana-api-token", plain(format!("eyJr{}{}", "Ijoi", az(80)))),
        ("hashicorp-tf-api-token", plain(format!("{}.atlas{}{}", az(14), "v1.", az(64)))),
        ("hubspot-api-token", set("hubspot", uuid)),
        ("intercom-api-token", set("intercom", &az(60))),
        ("intercom-client-secret", set("intercom", uuid)),
        ("ionic-api-token", plain(format!("io{}{}", "n_", az(42)))),
        ("jwt-token", plain(jwt)),
        ("linear-api-token", plain(format!("lin{}{}", "_api_", az(40)))),
        ("linear-client-secret", set("linear", &hex(32))),
        ("lob-api-key", set("lob", &format!("live_{}", hex(35)))),
        ("lob-pub-api-key", set("lob", &format!("test_pub_{}", hex(31)))),
        ("mailchimp-api-key", set("mailchimp", &format!("{}-us20", hex(32)))),
        ("mailgun-token", set("mailgun", &format!("key-{}", hex(32)))),
        ("mailgun-signing-key", set("mailgun", &format!("{}-{}-{}", hex(32), hex(8), hex(8)))),
        ("mapbox-api-token", plain(format!("p{}{}.{}", "k.", az(60), az(22)))),
        ("messagebird-api-token", set("messagebird", &az(25))),
        ("messagebird-client-id", set("messagebird", uuid)),
        ("new-relic-user-api-key", plain(format!("NR{}{}", "AK-", upper(27)))),
        ("new-relic-user-api-id", set("newrelic", &upper(64))),
        ("new-relic-browser-api-token", plain(format!("NR{}{}", "JS-", hex(19)))),
        ("npm-access-token", plain(format!("np{}{}", "m_", az(36)))),
        ("planetscale-password", plain(format!("pscale{}{}", "_pw_", az(43)))),
        ("planetscale-api-token", plain(format!("pscale{}{}", "_tkn_", az(43)))),
        ("private-packagist-token", plain(format!("packagist{}{}", "_uut_", hex(68)))),
        ("postman-api-token", plain(format!("PM{}{}-{}", "AK-", hex(24), hex(34)))),
        ("pulumi-api-token", plain(format!("pu{}{}", "l-", hex(40)))),
        ("rubygems-api-token", plain(format!("ruby{}{}", "gems_", hex(48)))),
        ("sendgrid-api-token", plain(format!("S{}{}", "G.", az(66)))),
        ("sendinblue-api-token", plain(format!("xkey{}{}-{}", "sib-", hex(64), az(16)))),
        ("shippo-api-token", plain(format!("shippo{}{}", "_live_", hex(40)))),
        ("linkedin-client-secret", set("linkedin", "abcdefghijklmnop")),
        ("linkedin-client-id", set("linkedin", &az(14))),
        ("twitch-api-token", set("twitch", &az(30))),
        ("typeform-api-token", plain(format!("typeform tf{}{}", "p_", az(59)))),
        ("dockerconfig-secret", plain(format!(".dockerconfig{}: ey{}", "json", az(40)))),
        ("docker-pat", plain(format!("dckr{}{}", "_pat_", az(27)))),
    ];
    let tried: BTreeSet<_> = cases.iter().map(|(rule, _)| *rule).collect();
    let missing: Vec<_> = RULES.iter().map(|rule| rule.id).filter(|id| !tried.contains(id)).collect();
    assert_eq!(missing, ["aws-access-key-id"; 0]);
    let secrets = Secrets::new();
    for (rule, json) in cases {
        let at = RULES.iter().position(|one| one.id == rule).unwrap();
        let text = json.to_lowercase();
        assert!(RULES[at].keywords.iter().any(|word| text.contains(word)), "{rule} has no keyword in {json}");
        assert!(secrets.matches(at, json.as_bytes()), "{rule} does not match {json}");
        // Another rule may be the first to find it.
        assert!(secrets.find(json.as_bytes()).is_some(), "{rule}: {json}");
    }
}

#[test]
fn ordinary_texts_hold_none() {
    for json in [
        "{\"path\":\"/home/me/keys/README.md\",\"key\":\"value\",\"public_key\":\"none\"}",
        "{\"content\":[{\"type\":\"text\",\"text\":\"The heroku key is kept in facebook: 'see wiki'. skip, asia, akia\"}]}",
        "{\"sha\":\"0123456789abcdef0123456789abcdef01234567\",\"id\":\"0123abcd-01ab-01ab-01ab-0123456789ab\"}",
        "{\"text\":\"-----BEGIN PUBLIC KEY-----\\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\\n-----END PUBLIC KEY-----\"}",
        "null",
        "",
    ] {
        assert_eq!(found(json), None, "{json}");
    }
}

#[test]
fn no_kind_of_block_hides_a_secret() {
    let pat = pat();
    let escaped: String = pat.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect();
    let encoded = STANDARD.encode(format!("token: {pat}\n"));
    let (one, two) = pat.split_at(20);
    for json in [
        format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"x {pat} y\"}}]}}"),
        format!(
            "{{\"content\":[{{\"type\":\"resource\",\"resource\":{{\"uri\":\"a:b\",\"text\":\"{pat}\"}}}}]}}"
        ),
        format!(
            "{{\"content\":[{{\"type\":\"resource\",\"resource\":{{\"uri\":\"a:b\",\"blob\":\"{encoded}\"}}}}]}}"
        ),
        format!("{{\"content\":[{{\"type\":\"resource_link\",\"uri\":\"https://x.example/?t={pat}\"}}]}}"),
        format!("{{\"content\":[{{\"type\":\"audio\",\"data\":\"{encoded}\"}}]}}"),
        format!("{{\"content\":[],\"structuredContent\":{{\"deep\":[{{\"er\":\"{pat}\"}}]}}}}"),
        format!("{{\"content\":[],\"structuredContent\":{{\"{pat}\":1}}}}"),
        format!("{{\"content\":[],\"_meta\":{{\"x\":\"{pat}\"}}}}"),
        format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"{escaped}\"}}]}}"),
        format!("{{\"content\":[{{\"type\":\"text\",\"text\":\"\\ud800{escaped}\"}}]}}"),
        format!(
            "{{\"content\":[{{\"type\":\"text\",\"text\":\"{one}\"}},{{\"type\":\"text\",\"text\":\"{two}\"}}]}}"
        ),
        format!("{{\"code\":-1,\"message\":\"wrong token {pat}\"}}"),
    ] {
        assert_eq!(found(&json), Some("github-pat"), "{json}");
    }
}
