//! The table.

use serde_json::{Value, json};
use std::fmt::Write as _;

/// A figure with what it is held against.
#[derive(Debug, Clone)]
pub struct Row {
    what: String,
    unit: &'static str,
    measured: f64,
    budget: Option<f64>,
    aim: Option<f64>,
    at_least: bool,
    baseline: Option<(String, f64)>,
}

impl Row {
    /// A figure alone.
    #[must_use]
    pub fn new(what: impl Into<String>, unit: &'static str, measured: f64) -> Self {
        Self { what: what.into(), unit, measured, budget: None, aim: None, at_least: false, baseline: None }
    }

    /// May be this much (design 10).
    #[must_use]
    pub fn at_most(mut self, budget: f64, aim: impl Into<Option<f64>>) -> Self {
        (self.budget, self.aim) = (Some(budget), aim.into());
        self
    }

    /// Must be this much (design 10).
    #[must_use]
    pub fn at_least(mut self, budget: f64, aim: impl Into<Option<f64>>) -> Self {
        self.at_least = true;
        self.at_most(budget, aim)
    }

    /// Beside what was measured in the same run.
    #[must_use]
    pub fn beside(mut self, what: impl Into<String>, measured: f64) -> Self {
        self.baseline = Some((what.into(), measured));
        self
    }

    fn verdict(&self) -> &'static str {
        let within = |limit: f64| if self.at_least { self.measured >= limit } else { self.measured <= limit };
        match (self.budget, self.aim) {
            (None, _) => "",
            (_, Some(aim)) if within(aim) => "aim",
            (Some(budget), _) if within(budget) => "ok",
            _ => "MISSED",
        }
    }

    fn ratio(&self) -> Option<f64> {
        let (_, baseline) = self.baseline.as_ref()?;
        (*baseline != 0.0).then(|| self.measured / baseline)
    }
}

/// Everything that was measured, and what was not, with the reason.
#[derive(Debug, Default)]
pub struct Report {
    rows: Vec<Row>,
    skipped: Vec<String>,
    notes: Vec<String>,
}

impl Report {
    /// Adds a figure.
    pub fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// Says that something was not measured.
    pub fn skip(&mut self, what: impl Into<String>) {
        self.skipped.push(what.into());
    }

    /// Says what stands elsewhere about what was measured.
    pub fn note(&mut self, what: impl Into<String>) {
        self.notes.push(what.into());
    }

    /// For people.
    #[must_use]
    pub fn table(&self) -> String {
        let header = ["", "unit", "budget", "aim", "measured", "", "baseline of this run", "", "ratio"]
            .map(str::to_owned);
        let mut lines = vec![header];
        for row in &self.rows {
            let sign = if row.at_least { "≥" } else { "≤" };
            let limit = |limit: Option<f64>| {
                limit.map_or_else(String::new, |limit| format!("{sign} {}", figure(limit)))
            };
            let (baseline, beside) = row
                .baseline
                .as_ref()
                .map_or_else(Default::default, |(what, measured)| (what.clone(), figure(*measured)));
            lines.push([
                row.what.clone(),
                row.unit.to_owned(),
                limit(row.budget),
                limit(row.aim),
                figure(row.measured),
                row.verdict().to_owned(),
                baseline,
                beside,
                row.ratio().map_or_else(String::new, |ratio| format!("{ratio:.2}")),
            ]);
        }
        let mut widths = [0; 9];
        for line in &lines {
            for (width, cell) in widths.iter_mut().zip(line) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let mut text = String::new();
        for line in &lines {
            let cells: Vec<String> =
                line.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
            let _ = writeln!(text, "{}", cells.join("  ").trim_end());
        }
        for skipped in &self.skipped {
            let _ = writeln!(text, "skipped: {skipped}");
        }
        for note in &self.notes {
            let _ = writeln!(text, "note: {note}");
        }
        text
    }

    /// For programs.
    #[must_use]
    pub fn json(&self) -> Value {
        let rows: Vec<Value> = self
            .rows
            .iter()
            .map(|row| {
                json!({
                    "what": row.what, "unit": row.unit, "measured": row.measured, "budget": row.budget, "aim": row.aim,
                    "atLeast": row.at_least, "verdict": row.verdict(), "ratio": row.ratio(),
                    "baseline": row.baseline.as_ref().map(|(what, measured)| json!({"what": what, "measured": measured})),
                })
            })
            .collect();
        json!({"figures": rows, "skipped": self.skipped, "notes": self.notes})
    }
}

/// Three digits that mean something.
fn figure(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        small if small < 1.0 => format!("{value:.3}"),
        small if small < 10.0 => format!("{value:.2}"),
        small if small < 100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_is_judged_by_its_budget_and_its_aim() {
        let verdict = |measured| Row::new("x", "µs", measured).at_most(30.0, 20.0).verdict();
        assert_eq!([verdict(31.0), verdict(30.0), verdict(20.0)], ["MISSED", "ok", "aim"]);
        let verdict = |measured| Row::new("x", "1/s", measured).at_least(40.0, 50.0).verdict();
        assert_eq!([verdict(39.0), verdict(40.0), verdict(50.0)], ["MISSED", "ok", "aim"]);
    }

    #[test]
    fn the_table_has_a_line_for_each_figure_and_each_gap() {
        let mut report = Report::default();
        report.add(Row::new("plugin call", "µs", 25.125).at_most(30.0, None).beside("an empty task", 5.0));
        report.skip("latency: no load client");
        report.note("elsewhere 7");
        let expected = "\
             unit  budget  aim  measured      baseline of this run        ratio
plugin call  µs    ≤ 30.0       25.1      ok  an empty task         5.00  5.03
skipped: latency: no load client
note: elsewhere 7
";
        let squeezed = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert_eq!(squeezed(&report.table()), squeezed(expected));
        assert_eq!(report.json()["figures"][0]["verdict"], "ok");
    }
}
