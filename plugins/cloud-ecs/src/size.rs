//! Sizes of tasks: Fargate has pairs of processor and memory, and nothing between them.

use gateway_plugin::{Error, Result};

/// A pair that Fargate has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// 1024 are one virtual processor.
    pub cpu_units: u32,
    /// Memory.
    pub memory_mib: u32,
}

/// Units, least memory, most memory, and the step between (`kubernetes-and-cloud-patterns.md` 13).
const PAIRS: [(u32, u32, u32, u32); 7] = [
    (256, 512, 2048, 512),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];

/// The smallest pair that has so much of both; the smallest of all where nothing is asked for.
///
/// # Errors
/// `config` where Fargate has nothing so large.
pub fn smallest(cpu_millis: Option<u32>, memory_mib: Option<u32>) -> Result<Size> {
    let units = cpu_millis.map_or(0, |millis| (u64::from(millis) * 1024).div_ceil(1000));
    let memory = memory_mib.unwrap_or(0);
    for (cpu_units, least, most, step) in PAIRS {
        if u64::from(cpu_units) < units || memory > most {
            continue;
        }
        let mut memory_mib = least + memory.saturating_sub(least).div_ceil(step) * step;
        // 1536 is between two steps of the smallest pair, and not among them.
        if cpu_units == 256 && memory_mib == 1536 {
            memory_mib = 2048;
        }
        return Ok(Size { cpu_units, memory_mib });
    }
    Err(Error::config(format!("find a task with {units} units of processor and {memory} MiB of memory"))
        .hint("Fargate has at most 16 virtual processors and 120 GiB"))
}

#[cfg(test)]
mod tests {
    use super::{Size, smallest};

    #[test]
    fn the_smallest_pair_that_suffices_is_taken() {
        for (cpu, memory, expected) in [
            (None, None, (256, 512)),
            (Some(100), Some(64), (256, 512)),
            (Some(250), Some(513), (256, 1024)),
            (None, Some(1025), (256, 2048)),
            (Some(251), Some(512), (512, 1024)),
            (None, Some(2049), (512, 3072)),
            (Some(1000), Some(512), (1024, 2048)),
            (Some(1001), None, (2048, 4096)),
            (None, Some(30_721), (8192, 32_768)),
            (Some(16_000), Some(122_880), (16_384, 122_880)),
        ] {
            let found = smallest(cpu, memory).expect("there is one");
            assert_eq!(found, Size { cpu_units: expected.0, memory_mib: expected.1 }, "{cpu:?} {memory:?}");
        }
    }

    #[test]
    fn what_is_too_large_is_refused() {
        let error = smallest(Some(16_001), None).expect_err("too many");
        assert_eq!(error.to_string(), "find a task with 16386 units of processor and 0 MiB of memory");
        assert!(smallest(None, Some(122_881)).is_err());
    }
}
