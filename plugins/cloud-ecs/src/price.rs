//! What a server costs, from the operator's own price list. An estimate: nobody but the bill knows.

use crate::settings::{EcsSettings, Prices};
use crate::size::Size;
use gateway_plugin::types::Cost;
use gateway_plugin::{Error, Result};

/// Hours of a month, as AWS' own estimates have it.
const MONTH: f64 = 730.0;

/// What is there to be paid for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bill {
    /// Of the task.
    pub size: Size,
    /// Disk in GiB, if more than the 20 that come with a task.
    pub disk_gib: Option<u32>,
    /// Secrets that are made for it.
    pub secrets: usize,
}

/// The estimate, per hour and per month; nothing without prices.
#[must_use]
pub fn costs(settings: &EcsSettings, bill: &Bill) -> Vec<Cost> {
    let Some(prices) = &settings.prices else { return Vec::new() };
    let hour = hour(settings, prices, bill);
    let secrets = f64::from(u32::try_from(bill.secrets).unwrap_or(u32::MAX)) * prices.secret_month;
    let cost = |amount: f64, per: &str, note: &str| Cost {
        amount: format!("{amount:.4}"),
        currency: prices.currency.clone().unwrap_or_else(|| "USD".to_owned()),
        per: per.to_owned(),
        source: prices.source.clone(),
        note: note.to_owned(),
    };
    let size = format!(
        "{} vCPU and {} GiB, while the server runs",
        decimal(f64::from(bill.size.cpu_units) / 1024.0),
        decimal(f64::from(bill.size.memory_mib) / 1024.0)
    );
    let whole = "if it ran without a pause; without data transfer and logs";
    vec![cost(hour, "hour", &size), cost(hour * MONTH + secrets, "month", whole)]
}

/// Refuses what costs more than the operator allows.
///
/// # Errors
/// `quota` would be repeated, so it is `config`.
pub fn check(settings: &EcsSettings, bill: &Bill) -> Result<()> {
    let (Some(most), Some(prices)) = (settings.max_cost_per_hour, &settings.prices) else { return Ok(()) };
    let hour = hour(settings, prices, bill);
    if hour <= most {
        return Ok(());
    }
    Err(Error::config(format!("pay {hour:.4} in an hour: `maxCostPerHour` is {most:.4}"))
        .hint("lower the limits of the server, or raise `maxCostPerHour` in the settings of the plugin"))
}

fn hour(settings: &EcsSettings, prices: &Prices, bill: &Bill) -> f64 {
    let cpu = f64::from(bill.size.cpu_units) / 1024.0 * prices.cpu_hour;
    let memory = f64::from(bill.size.memory_mib) / 1024.0 * prices.gib_hour;
    let disk = f64::from(bill.disk_gib.unwrap_or(20).saturating_sub(20)) * prices.disk_gib_hour;
    let address = if settings.assign_public_ip { prices.public_ip_hour } else { 0.0 };
    cpu + memory + disk + address
}

/// Without the zeros at its end.
fn decimal(number: f64) -> String {
    let text = format!("{number:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Bill, check, costs};
    use crate::settings::EcsSettings;
    use crate::size::Size;

    fn settings(json: &str) -> EcsSettings {
        serde_json::from_str(json).expect("settings")
    }

    const BILL: Bill =
        Bill { size: Size { cpu_units: 512, memory_mib: 1024 }, disk_gib: Some(30), secrets: 2 };

    #[test]
    fn an_hour_and_a_month_are_estimated_with_their_source() {
        let settings = settings(
            r#"{"assignPublicIp": true, "prices": {"source": "list of 2026-11", "cpuHour": 0.04, "gibHour": 0.004,
                "diskGibHour": 0.0001, "publicIpHour": 0.005, "secretMonth": 0.4}}"#,
        );
        let costs = costs(&settings, &BILL);
        // 0.02 + 0.004 + 0.001 + 0.005; 730 of them and 0.8.
        let shown: Vec<_> = costs.iter().map(|cost| (cost.amount.as_str(), cost.per.as_str())).collect();
        assert_eq!(shown, [("0.0300", "hour"), ("22.7000", "month")]);
        assert_eq!((costs[0].currency.as_str(), costs[0].source.as_str()), ("USD", "list of 2026-11"));
        assert_eq!(costs[0].note, "0.5 vCPU and 1 GiB, while the server runs");
    }

    #[test]
    fn a_ceiling_refuses_and_no_prices_say_nothing() {
        let settings = settings(
            r#"{"maxCostPerHour": 0.02, "prices": {"source": "s", "cpuHour": 0.04, "gibHour": 0.004}}"#,
        );
        let error = check(&settings, &BILL).expect_err("too dear");
        assert_eq!(error.to_string(), "pay 0.0240 in an hour: `maxCostPerHour` is 0.0200");
        assert_eq!(costs(&EcsSettings::default(), &BILL), []);
        check(&EcsSettings::default(), &BILL).expect("no ceiling");
    }
}
