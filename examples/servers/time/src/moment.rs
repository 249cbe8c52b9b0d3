//! A moment as somebody writes it: read into an instant, saying what had to be chosen on the way.

use jiff::civil::DateTime;
use jiff::fmt::temporal::{DateTimeParser, PiecesOffset};
use jiff::tz::{AmbiguousOffset, Disambiguation, Offset, TimeZone};
use jiff::{Timestamp, Zoned};

use crate::zone;

/// An instant in a zone.
pub(crate) struct Moment {
    pub(crate) zoned: Zoned,
    /// Which reading of a wall clock was taken, where there was not just one: `earlier` or `later`, and why.
    pub(crate) chosen: Option<(&'static str, String)>,
}

/// How a moment is read.
pub(crate) struct Reading<'a> {
    /// The argument, for messages.
    pub(crate) argument: &'a str,
    /// The zone of a time without an offset.
    pub(crate) zone: Option<&'a TimeZone>,
    /// An offset in the text must be one that the zone has at that time.
    pub(crate) strict: bool,
    /// What to do with a wall-clock time that a change of clocks skips or repeats.
    pub(crate) disambiguation: Disambiguation,
    /// What `now` and a time without a date refer to.
    pub(crate) now: Timestamp,
}

impl Reading<'_> {
    /// Reads `now`, `14:30`, `2026-03-29`, `2026-03-29T14:30`, and the latter with an offset or a zone in brackets.
    pub(crate) fn read(&self, text: &str) -> Result<Moment, String> {
        let text = text.trim();
        if text.eq_ignore_ascii_case("now") {
            return Ok(exact(self.now, self.zone.cloned().unwrap_or(TimeZone::UTC)));
        }
        let parser = DateTimeParser::new();
        let pieces = match parser.parse_pieces(text) {
            Ok(pieces) => pieces,
            Err(cause) => {
                let Ok(time) = parser.parse_time(text) else { return Err(self.unreadable(text, &cause)) };
                let zone = self.needed_zone()?;
                return self.wall_clock(self.now.to_zoned(zone.clone()).date().to_datetime(time), zone);
            }
        };
        let written = match pieces.time_zone_annotation() {
            Some(_) => pieces.to_time_zone().map_err(|cause| self.unreadable(text, &cause))?,
            None => None,
        };
        if let (Some(written), Some(asked)) = (&written, self.zone)
            && self.strict
            && written != asked
        {
            let (written, asked) = (zone::name(written), zone::name(asked));
            return Err(format!(
                "argument `{}` names the zone {written}, but {asked} was asked for",
                self.argument
            ));
        }
        let date_time = pieces.date().to_datetime(pieces.time().unwrap_or_default());
        let Some(offset) = pieces.offset() else {
            return match &written {
                Some(zone) => self.wall_clock(date_time, zone),
                None => self.wall_clock(date_time, self.needed_zone()?),
            };
        };
        let numeric = pieces.to_numeric_offset().unwrap_or(Offset::UTC);
        let instant = numeric.to_timestamp(date_time).map_err(|cause| self.unreadable(text, &cause))?;
        // `Z` says that the offset is not known, so it fits every zone.
        let numeric = matches!(offset, PiecesOffset::Numeric(_)).then_some(numeric);
        let zone = written.as_ref().or(self.zone);
        if let (Some(zone), Some(offset)) = (zone, numeric)
            && (self.strict || written.is_some())
            && zone.to_offset(instant) != offset
        {
            let (name, offset) = (zone::name(zone), zone::offset(offset));
            let there = zone::offset(zone.to_offset(instant));
            return Err(format!(
                "argument `{}` has the offset {offset}, but {name} is at {there} then; leave out one of the two",
                self.argument
            ));
        }
        let own = numeric.map_or(TimeZone::UTC, TimeZone::fixed);
        Ok(exact(instant, zone.cloned().unwrap_or(own)))
    }

    fn wall_clock(&self, wanted: DateTime, zone: &TimeZone) -> Result<Moment, String> {
        let ambiguous = zone.to_ambiguous_zoned(wanted);
        let kind = ambiguous.offset();
        let (name, (date, time)) = (zone::name(zone), (wanted.date(), wanted.time()));
        let what = match kind {
            AmbiguousOffset::Unambiguous { .. } => None,
            AmbiguousOffset::Gap { before, after } => Some(format!(
                "{time} does not exist in {name} on {date}: clocks go from {} to {}",
                zone::offset(before),
                zone::offset(after)
            )),
            AmbiguousOffset::Fold { before, after } => Some(format!(
                "{time} comes twice in {name} on {date}, at {} and at {}",
                zone::offset(before),
                zone::offset(after)
            )),
        };
        if let (Some(what), Disambiguation::Reject) = (&what, self.disambiguation) {
            return Err(format!("argument `{}`: {what}", self.argument));
        }
        let reading = match (self.disambiguation, kind) {
            (Disambiguation::Earlier, _) => "earlier",
            (Disambiguation::Later, _) | (_, AmbiguousOffset::Gap { .. }) => "later",
            _ => "earlier",
        };
        let zoned = ambiguous
            .disambiguate(self.disambiguation)
            .map_err(|cause| self.unreadable(&wanted.to_string(), &cause))?;
        let chosen = what.map(|what| {
            let taken = iso(&zoned);
            (reading, format!("{what}; the {reading} reading, {taken}, was taken"))
        });
        Ok(Moment { zoned, chosen })
    }

    fn needed_zone(&self) -> Result<&TimeZone, String> {
        self.zone.ok_or_else(|| format!("argument `{}` has no offset, so its zone is needed", self.argument))
    }

    fn unreadable(&self, text: &str, cause: &jiff::Error) -> String {
        let argument = self.argument;
        format!(
            "argument `{argument}`: `{text}` is not a time such as 2026-03-29T14:30 or 2026-03-29T14:30:00+02:00 ({cause})"
        )
    }
}

fn exact(instant: Timestamp, zone: TimeZone) -> Moment {
    Moment { zoned: instant.to_zoned(zone), chosen: None }
}

/// ISO 8601 with the offset, without the name of the zone.
pub(crate) fn iso(zoned: &Zoned) -> String {
    zoned.timestamp().display_with_offset(zoned.offset()).to_string()
}
