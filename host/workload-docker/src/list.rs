//! What is on the engine, page by page. The engine has no pages of its own, so a page is a cut of the whole, ordered by id: what comes or
//! goes between two pages moves nothing else.

use crate::container::{ContainerInfo, Health};
use crate::engine::DockerEngine;
use crate::error::Error;
use bollard::models::ContainerSummary;
use bollard::query_parameters::ListContainersOptionsBuilder;
use std::collections::HashMap;

/// Which page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageRequest {
    /// What the page before gave; absent for the first.
    pub cursor: Option<String>,
    /// At most this many.
    pub limit: usize,
}

/// One page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page<T> {
    /// What is on it, by id.
    pub items: Vec<T>,
    /// For the next page; absent at the end.
    pub cursor: Option<String>,
}

impl<T> Page<T> {
    pub(crate) fn cut(mut all: Vec<T>, request: &PageRequest, id: impl Fn(&T) -> &str) -> Self {
        all.sort_by(|a, b| id(a).cmp(id(b)));
        if let Some(cursor) = &request.cursor {
            all.retain(|item| id(item) > cursor.as_str());
        }
        let more = all.len() > request.limit;
        all.truncate(request.limit.max(1));
        let cursor = if more { all.last().map(|last| id(last).to_owned()) } else { None };
        Self { items: all, cursor }
    }
}

impl DockerEngine {
    /// Containers, running or not, that have all these labels (`key`, or `key=value`). Health, addresses and errors are not told here.
    ///
    /// # Errors
    /// The engine does not answer.
    pub async fn containers(
        &self,
        labels: &[&str],
        page: &PageRequest,
    ) -> Result<Page<ContainerInfo>, Error> {
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters(labels)).build();
        let found = self.docker().await?.list_containers(Some(options)).await;
        let found = found.map_err(|error| Error::of("list containers", &error))?;
        Ok(Page::cut(found.into_iter().map(info).collect(), page, |container| &container.id))
    }
}

pub(crate) fn filters(labels: &[&str]) -> HashMap<String, Vec<String>> {
    HashMap::from([("label".to_owned(), labels.iter().map(|label| (*label).to_owned()).collect())])
}

fn info(found: ContainerSummary) -> ContainerInfo {
    let mut labels: Vec<_> = found.labels.unwrap_or_default().into_iter().collect();
    labels.sort();
    let name = found.names.unwrap_or_default().into_iter().next().unwrap_or_default();
    // The only place where this list has the exit code: `Exited (137) 3 seconds ago`.
    let status = found.status.unwrap_or_default();
    let code =
        status.strip_prefix("Exited (").and_then(|rest| rest.split(')').next()).and_then(|c| c.parse().ok());
    ContainerInfo {
        id: found.id.unwrap_or_default(),
        name: name.trim_start_matches('/').to_owned(),
        image: found.image.unwrap_or_default(),
        image_id: found.image_id.unwrap_or_default(),
        state: found.state.map(|state| state.as_ref().to_owned()).unwrap_or_default(),
        error: String::new(),
        exit_code: code,
        out_of_memory: false,
        health: Health::None,
        labels,
        created: found.created.and_then(|at| u64::try_from(at).ok()).unwrap_or(0),
        published: Vec::new(),
        networks: Vec::new(),
    }
}

/// Seconds since 1970 of `2026-11-21T15:22:01.5Z`, the form in which engines write moments.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let clock = time.get(..8)?;
    let mut clock = clock.splitn(3, ':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (clock.next()??, clock.next()??, clock.next()??);
    let zone = time.get(8..)?.trim_start_matches(|c: char| c == '.' || c.is_ascii_digit());
    let offset = match zone {
        "Z" | "" => 0,
        _ => {
            let sign = if zone.starts_with('-') { -1 } else { 1 };
            let (hours, minutes) = zone.get(1..)?.split_once(':')?;
            sign * (hours.parse::<i64>().ok()? * 3600 + minutes.parse::<i64>().ok()? * 60)
        }
    };
    // Days since 1970, by the usual arithmetic in which a year begins in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1 - 719_468;
    u64::try_from(days * 86_400 + hour * 3600 + minute * 60 + second - offset).ok()
}

#[cfg(test)]
mod tests {
    use super::{Page, PageRequest, seconds};

    #[test]
    fn pages_go_by_id() {
        let all = || ["c", "a", "d", "b"].map(str::to_owned).to_vec();
        let page = |cursor: Option<&str>, limit| {
            let request = PageRequest { cursor: cursor.map(str::to_owned), limit };
            let page = Page::cut(all(), &request, |item| item);
            (page.items.concat(), page.cursor)
        };
        assert_eq!(page(None, 3), ("abc".to_owned(), Some("c".to_owned())));
        assert_eq!(page(Some("c"), 3), ("d".to_owned(), None));
        assert_eq!(page(None, 4), ("abcd".to_owned(), None));
        assert_eq!(page(Some("bb"), 10), ("cd".to_owned(), None));
    }

    #[test]
    fn moments_are_read() {
        for (text, value) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:01.123456789Z", Some(951_825_601)),
            ("2026-11-21T15:22:01Z", Some(1_795_274_521)),
            ("2026-11-21T16:22:01+01:00", Some(1_795_274_521)),
            ("2026-11-21T10:22:01.5-05:00", Some(1_795_274_521)),
            ("0001-01-01T00:00:00Z", None),
            ("today", None),
        ] {
            assert_eq!(seconds(text), value, "{text}");
        }
    }
}
