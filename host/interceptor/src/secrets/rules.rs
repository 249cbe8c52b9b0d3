//! The rules: those of Trivy's built-in list, under its ids and in its order, which the original takes over (`docker-mcp-gateway.md` 20.4). A
//! rule applies where one of its keywords occurs, in any case, and its expression matches.
//!
//! Trivy looks at files; here most of what is looked at is JSON. So between a name and its value a quote may be closed (`"heroku_key":
//! "…"`), and quotes may stand behind a backslash.

/// One rule.
pub(super) struct Rule {
    /// Its id, the only thing that is told of a finding.
    pub(super) id: &'static str,
    /// Without one of these it cannot apply; in lower case.
    pub(super) keywords: &'static [&'static str],
    /// For `regex::bytes`, without Unicode.
    pub(super) expression: &'static str,
}

/// A value in quotes that is given to a name with a certain beginning.
macro_rules! assigned {
    ($name:literal, $value:literal) => {
        concat!(
            "(?i)",
            $name,
            r#"[a-z0-9_ .\-,]{0,25}\\?["']?\s*(=|>|:=|\|\|:|<=|=>|:).{0,5}\\?["']"#,
            $value,
            r#"\\?["']"#
        )
    };
}

/// A value in quotes.
macro_rules! quoted {
    ($value:literal) => {
        concat!(r#"["']"#, $value, r#"\\?["']"#)
    };
}

macro_rules! rules {
    ($($id:literal [$($keyword:literal),+] $expression:expr;)+) => {
        pub(super) const RULES: &[Rule] =
            &[$(Rule { id: $id, keywords: &[$($keyword),+], expression: $expression }),+];
    };
}

rules! {
    "aws-access-key-id" ["akia", "agpa", "aida", "aroa", "aipa", "anpa", "anva", "asia"]
        r"(^|[^0-9a-zA-Z])(A3T[A-Z0-9]|AKIA|AGPA|AIDA|AROA|AIPA|ANPA|ANVA|ASIA)[A-Z0-9]{16}([^0-9a-zA-Z]|$)";
    "aws-secret-access-key" ["key"]
        r#"(?i)(^|[^0-9a-z])aws_?(sec(ret)?)?_?(access)?_?key\\?["']?\s*(:|=>|=)?\s*\\?["']?[a-z0-9/+=]{40}\\?["']?([^0-9a-z/+=]|$)"#;
    "github-pat" ["ghp_"] r"ghp_[0-9a-zA-Z]{36}";
    "github-oauth" ["gho_"] r"gho_[0-9a-zA-Z]{36}";
    "github-app-token" ["ghu_", "ghs_"] r"(ghu|ghs)_[0-9a-zA-Z]{36}";
    "github-refresh-token" ["ghr_"] r"ghr_[0-9a-zA-Z]{76}";
    "github-fine-grained-pat" ["github_pat_"] r"github_pat_[a-zA-Z0-9]{22}_[a-zA-Z0-9]{59}";
    "gitlab-pat" ["glpat-"] r"glpat-[0-9a-zA-Z\-_]{20}";
    "hugging-face-access-token" ["hf_"] r"hf_[A-Za-z0-9]{34,39}";
    "private-key" ["-----"]
        r"(?i)-----\s*?BEGIN[ A-Z0-9_-]*?PRIVATE KEY( BLOCK)?\s*?-----(\s|\\[nr])*[\sA-Za-z0-9=+/\\:,\-]+?-----\s*?END[ A-Z0-9_-]*?PRIVATE KEY( BLOCK)?\s*?-----";
    "shopify-token" ["shpss_", "shpat_", "shpca_", "shppa_"] r"shp(ss|at|ca|pa)_[a-fA-F0-9]{32}";
    "slack-access-token" ["xoxb-", "xoxa-", "xoxp-", "xoxr-", "xoxs-"] r"xox[baprs]-[0-9a-zA-Z]{10,48}";
    "stripe-publishable-token" ["pk_test_", "pk_live_"] r"(?i)pk_(test|live)_[0-9a-z]{10,32}";
    "stripe-secret-token" ["sk_test_", "sk_live_"] r"(?i)sk_(test|live)_[0-9a-z]{10,32}";
    "pypi-upload-token" ["pypi-ageichlwas5vcmc"] r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9\-_]{50,1000}";
    "gcp-service-account" ["service_account"] r#"\\?"type\\?"\s*:\s*\\?"service_account\\?""#;
    "heroku-api-key" ["heroku"]
        assigned!("heroku", "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}");
    "slack-web-hook" ["hooks.slack.com"] r"https:\\?/\\?/hooks\.slack\.com\\?/services\\?/[A-Za-z0-9+/\\]{44,50}";
    "twilio-api-key" ["sk"] r"(^|[^0-9a-zA-Z])SK[0-9a-fA-F]{32}([^0-9a-zA-Z]|$)";
    "age-secret-key" ["age-secret-key-1"] r"AGE-SECRET-KEY-1[QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L]{58}";
    "facebook-token" ["facebook"] assigned!("facebook", "[a-f0-9]{32}");
    "twitter-token" ["twitter"] assigned!("twitter", "[a-f0-9]{35,44}");
    "adobe-client-id" ["adobe"] assigned!("adobe", "[a-f0-9]{32}");
    "adobe-client-secret" ["p8e-"] r"(?i)p8e-[a-z0-9]{32}";
    "alibaba-access-key-id" ["ltai"] r"(^|[^0-9A-Za-z])LTAI(?i:[a-z0-9]{20})([^0-9A-Za-z]|$)";
    "alibaba-secret-key" ["alibaba"] assigned!("alibaba", "[a-z0-9]{30}");
    "asana-client-id" ["asana"] assigned!("asana", "[0-9]{16}");
    "asana-client-secret" ["asana"] assigned!("asana", "[a-z0-9]{32}");
    "atlassian-api-token" ["atlassian"] assigned!("atlassian", "[a-z0-9]{24}");
    "bitbucket-client-id" ["bitbucket"] assigned!("bitbucket", "[a-z0-9]{32}");
    "bitbucket-client-secret" ["bitbucket"] assigned!("bitbucket", r"[a-z0-9_\-]{64}");
    "beamer-api-token" ["beamer"] assigned!("beamer", r"b_[a-z0-9=_\-]{44}");
    "clojars-api-token" ["clojars_"] r"(?i)CLOJARS_[a-z0-9]{60}";
    "contentful-delivery-api-token" ["contentful"] assigned!("contentful", r"[a-z0-9\-=_]{43}");
    "databricks-api-token" ["dapi"] r"dapi[a-h0-9]{32}";
    "discord-api-token" ["discord"] assigned!("discord", "[a-h0-9]{64}");
    "discord-client-id" ["discord"] assigned!("discord", "[0-9]{18}");
    "discord-client-secret" ["discord"] assigned!("discord", r"[a-z0-9=_\-]{32}");
    "doppler-api-token" ["dp.pt."] quoted!(r"dp\.pt\.(?i:[a-z0-9]{43})");
    "dropbox-api-secret" ["dropbox"] assigned!("dropbox", "[a-z0-9]{15}");
    "dropbox-short-lived-api-token" ["dropbox"] assigned!("dropbox", r"sl\.[a-z0-9\-=_]{135}");
    "dropbox-long-lived-api-token" ["dropbox"] assigned!("dropbox", r"[a-z0-9]{11}AAAAAAAAAA[a-z0-9\-_=]{43}");
    "duffel-api-token" ["duffel_test_", "duffel_live_"] quoted!(r"duffel_(test|live)_(?i:[a-z0-9_\-]{43})");
    "dynatrace-api-token" ["dt0c01."] quoted!(r"dt0c01\.(?i:[a-z0-9]{24}\.[a-z0-9]{64})");
    "easypost-api-token" ["ezak", "eztk"] quoted!("EZ[AT]K(?i:[a-z0-9]{54})");
    "fastly-api-token" ["fastly"] assigned!("fastly", r"[a-z0-9\-=_]{32}");
    "finicity-client-secret" ["finicity"] assigned!("finicity", "[a-z0-9]{20}");
    "finicity-api-token" ["finicity"] assigned!("finicity", "[a-f0-9]{32}");
    "flutterwave-public-key" ["flwpubk_test-", "flwseck_test-"] r"FLW(PUB|SEC)K_TEST-(?i:[a-h0-9]{32})-X";
    "flutterwave-enc-key" ["flwseck_test"] r"FLWSECK_TEST[a-h0-9]{12}";
    "frameio-api-token" ["fio-u-"] r"fio-u-(?i:[a-z0-9\-_=]{64})";
    "gocardless-api-token" ["live_"] quoted!(r"live_(?i:[a-z0-9\-_=]{40})");
    "grafana-api-token" ["eyjrijoi"] r"eyJrIjoi(?i:[a-z0-9\-_=]{72,92})";
    "hashicorp-tf-api-token" ["atlasv1."] quoted!(r"(?i:[a-z0-9]{14}\.atlasv1\.[a-z0-9\-_=]{60,70})");
    "hubspot-api-token" ["hubspot"]
        assigned!("hubspot", "[a-h0-9]{8}-[a-h0-9]{4}-[a-h0-9]{4}-[a-h0-9]{4}-[a-h0-9]{12}");
    "intercom-api-token" ["intercom"] assigned!("intercom", "[a-z0-9=_]{60}");
    "intercom-client-secret" ["intercom"]
        assigned!("intercom", "[a-h0-9]{8}-[a-h0-9]{4}-[a-h0-9]{4}-[a-h0-9]{4}-[a-h0-9]{12}");
    "ionic-api-token" ["ion_"] r"(^|[^0-9a-zA-Z])(?i:ion_[a-z0-9]{42})";
    "jwt-token" [".eyj"] r"ey[a-zA-Z0-9]{17,}\.ey[a-zA-Z0-9/\\_\-]{17,}\.([a-zA-Z0-9/\\_\-]{10,}={0,2})?";
    "linear-api-token" ["lin_api_"] r"lin_api_(?i:[a-z0-9]{40})";
    "linear-client-secret" ["linear"] assigned!("linear", "[a-f0-9]{32}");
    "lob-api-key" ["lob"] assigned!("lob", "(live|test)_[a-f0-9]{35}");
    "lob-pub-api-key" ["lob"] assigned!("lob", "(test|live)_pub_[a-f0-9]{31}");
    "mailchimp-api-key" ["mailchimp"] assigned!("mailchimp", "[a-f0-9]{32}-us[0-9]{1,2}");
    "mailgun-token" ["mailgun"] assigned!("mailgun", "(pub)?key-[a-f0-9]{32}");
    "mailgun-signing-key" ["mailgun"] assigned!("mailgun", "[a-h0-9]{32}-[a-h0-9]{8}-[a-h0-9]{8}");
    "mapbox-api-token" ["pk."] r"(?i)pk\.[a-z0-9]{60}\.[a-z0-9]{22}";
    "messagebird-api-token" ["messagebird"] assigned!("messagebird", "[a-z0-9]{25}");
    "messagebird-client-id" ["messagebird"]
        assigned!("messagebird", "[a-h0-9]{8}-[a-h0-9]{4}-[a-h0-9]{4}-[a-h0-9]{4}-[a-h0-9]{12}");
    "new-relic-user-api-key" ["nrak-"] quoted!("NRAK-[A-Z0-9]{27}");
    "new-relic-user-api-id" ["newrelic"] assigned!("newrelic", "[A-Z0-9]{64}");
    "new-relic-browser-api-token" ["nrjs-"] quoted!("NRJS-[a-f0-9]{19}");
    "npm-access-token" ["npm_"] r"(^|[^0-9a-zA-Z])npm_[0-9a-zA-Z]{36}([^0-9a-zA-Z]|$)";
    "planetscale-password" ["pscale_pw_"] r"pscale_pw_(?i:[a-z0-9\-_.]{43})";
    "planetscale-api-token" ["pscale_tkn_"] r"pscale_tkn_(?i:[a-z0-9\-_.]{43})";
    "private-packagist-token" ["packagist_uut_", "packagist_ort_", "packagist_out_", "packagist_urt_"]
        r"packagist_[ou][ru]t_(?i:[a-f0-9]{68})";
    "postman-api-token" ["pmak-"] r"PMAK-(?i:[a-f0-9]{24}-[a-f0-9]{34})";
    "pulumi-api-token" ["pul-"] r"pul-[a-f0-9]{40}";
    "rubygems-api-token" ["rubygems_"] r"rubygems_[a-f0-9]{48}";
    "sendgrid-api-token" ["sg."] r"SG\.(?i:[a-z0-9_\-.]{66})";
    "sendinblue-api-token" ["xkeysib-"] r"xkeysib-[a-f0-9]{64}-(?i:[a-z0-9]{16})";
    "shippo-api-token" ["shippo_live_", "shippo_test_"] r"shippo_(live|test)_[a-f0-9]{40}";
    "linkedin-client-secret" ["linkedin"] assigned!("linkedin", "[a-z]{16}");
    "linkedin-client-id" ["linkedin"] assigned!("linkedin", "[a-z0-9]{14}");
    "twitch-api-token" ["twitch"] assigned!("twitch", "[a-z0-9]{30}");
    "typeform-api-token" ["typeform"] r"(?i)typeform.{0,40}tfp_[a-z0-9\-_.=]{59}";
    "dockerconfig-secret" ["dockerc"]
        r#"(?i)\.(dockerconfigjson|dockercfg)\\?["']?:\s*\|*(\s|\\[nr])*\\?["']?(ey|ew)[A-Za-z0-9/+=]{8,}"#;
    "docker-pat" ["dckr_pat_"] r"dckr_pat_[A-Za-z0-9_\-]{27}";
}
