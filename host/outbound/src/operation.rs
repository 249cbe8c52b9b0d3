//! What a request asks for, where the path does not say it: the operation in `X-Amz-Target`, in `Action`, or behind `:` at the end of a path.

use crate::place::decoded;

/// Every operation that a request names, wherever a server might look for it. Usually one or none; a grant must cover all of them.
#[must_use]
pub fn operations<'a>(
    path: &str,
    headers: impl Iterator<Item = (&'a str, &'a str)>,
    body: &[u8],
) -> Vec<String> {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let mut found = Vec::new();
    let mut add = |name: &str| {
        if !name.is_empty() && !found.iter().any(|known| known == name) {
            found.push(name.to_owned());
        }
    };
    for (_, value) in headers.filter(|(name, _)| name.eq_ignore_ascii_case("x-amz-target")) {
        add(value.rsplit('.').next().unwrap_or(value).trim());
    }
    let mut actions = |text: &str| {
        for pair in text.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if decoded(name) == "Action" {
                add(&decoded(value));
            }
        }
    };
    actions(query);
    if !body.trim_ascii_start().starts_with(b"{") {
        actions(&String::from_utf8_lossy(body));
    }
    let path = decoded(&path.replace('+', "%2B"));
    let last = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if let Some((_, verb)) = last.rsplit_once(':') {
        let end = verb.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(verb.len());
        add(verb.get(..end).unwrap_or(verb));
    }
    // RPC protocols of AWS that name it in the path.
    if path.contains("/operation/") {
        add(last);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn operations_are_found_wherever_a_server_looks() {
        let target = [("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.RunTask")];
        for (path, headers, body, expected) in [
            ("/", &target[..], "{}", &["RunTask"][..]),
            ("/", &[], "Version=2016-11-15&Action=DescribeSubnets", &["DescribeSubnets"]),
            ("/?Action=DescribeSubnets&x", &[], "", &["DescribeSubnets"]),
            ("/?%41ction=Get%53ecretValue", &[], "", &["GetSecretValue"]),
            ("/v1/projects/p/secrets/s/versions/1:access", &[], "", &["access"]),
            ("/v1/projects/p/secrets/s/versions/1%3Aaccess?x=:y", &[], "", &["access"]),
            ("/v1/projects/p/secrets/s/versions/1:access/", &[], "", &["access"]),
            ("/v1/projects/p/secrets/s/versions/1:access;x", &[], "", &["access"]),
            ("/service/S/operation/GetSecretValue", &[], "", &["GetSecretValue"]),
            ("/v2/projects/p/services?serviceId=a", &[], "{}", &[]),
            // Both count.
            ("/?Action=GetSecretValue", &target, "{}", &["RunTask", "GetSecretValue"]),
        ] {
            let found = operations(path, headers.iter().copied(), body.as_bytes());
            assert_eq!(found, expected, "{path} {body}");
        }
    }
}
