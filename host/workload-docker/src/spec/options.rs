//! Options of `docker run` that have no field of their own, by their names there.

use crate::error::Error;
use bollard::models::{ContainerCreateBody, HostConfig, ResourcesUlimits};

/// What may stand in `ContainerSpec::options`.
pub(super) const NAMES: &[&str] = &[
    "cpu-shares",
    "cpuset-cpus",
    "domainname",
    "group-add",
    "hostname",
    "memory-reservation",
    "memory-swap",
    "oom-score-adj",
    "runtime",
    "shm-size",
    "stop-timeout",
    "ulimit",
];

/// Sets one option.
pub(super) fn apply(
    name: &str,
    value: &str,
    body: &mut ContainerCreateBody,
    host: &mut HostConfig,
) -> Result<(), Error> {
    let wrong = |what: &str| Error::specification(format!("option `{name}`: `{value}` is no {what}"));
    let text = || value.to_owned();
    let number = || value.parse::<i64>().map_err(|_| wrong("whole number"));
    let size = || bytes(value).ok_or_else(|| wrong("size such as `64m`"));
    match name {
        "cpu-shares" => host.cpu_shares = Some(number()?),
        "cpuset-cpus" => host.cpuset_cpus = Some(text()),
        "domainname" => body.domainname = Some(text()),
        "group-add" => host.group_add.get_or_insert_default().push(text()),
        "hostname" => body.hostname = Some(text()),
        "memory-reservation" => host.memory_reservation = Some(size()?),
        "memory-swap" if value == "-1" => host.memory_swap = Some(-1),
        "memory-swap" => host.memory_swap = Some(size()?),
        "oom-score-adj" => host.oom_score_adj = Some(number()?),
        "runtime" => host.runtime = Some(text()),
        "shm-size" => host.shm_size = Some(size()?),
        "stop-timeout" => body.stop_timeout = Some(number()?),
        "ulimit" => {
            let limit = ulimit(value).ok_or_else(|| wrong("limit such as `nofile=1024:2048`"))?;
            host.ulimits.get_or_insert_default().push(limit);
        }
        _ => {
            return Err(Error::specification(format!("option `{name}` is not known"))
                .with_hint(format!("known are {}", NAMES.join(", "))));
        }
    }
    Ok(())
}

/// `64m`, `2Gb`, `1024`: powers of 1024, as Docker reads them.
pub(crate) fn bytes(text: &str) -> Option<i64> {
    let lower = text.trim().to_ascii_lowercase();
    let digits = lower.trim_end_matches(|c: char| !c.is_ascii_digit() && c != '.');
    let unit = lower.get(digits.len()..)?.trim();
    let power = match unit.trim_end_matches('b').trim_end_matches('i') {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        _ => return None,
    };
    let value: f64 = digits.parse().ok()?;
    let bytes = value * f64::from(1 << (power % 30)) * if power >= 30 { f64::from(1 << 30) } else { 1.0 };
    // Beyond 2^53 a whole number of bytes cannot be told any more.
    #[expect(clippy::cast_possible_truncation, reason = "the range was checked")]
    (0.0..=9.0e15).contains(&bytes).then_some(bytes as i64)
}

/// `nofile=1024:2048`, `core=0`.
fn ulimit(text: &str) -> Option<ResourcesUlimits> {
    let (name, limits) = text.split_once('=')?;
    let (soft, hard) = limits.split_once(':').unwrap_or((limits, limits));
    Some(ResourcesUlimits {
        name: Some(name.to_owned()),
        soft: Some(soft.parse().ok()?),
        hard: Some(hard.parse().ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_read_as_docker_reads_them() {
        for (text, value) in [
            ("0", Some(0)),
            ("1024", Some(1024)),
            ("64m", Some(64 << 20)),
            ("64MiB", Some(64 << 20)),
            ("2Gb", Some(2 << 30)),
            ("1.5k", Some(1536)),
            ("2t", Some(2 << 40)),
            ("", None),
            ("m", None),
            ("-1", None),
            ("1x", None),
        ] {
            assert_eq!(bytes(text), value, "{text}");
        }
    }
}
