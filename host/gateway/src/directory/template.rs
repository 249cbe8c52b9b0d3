//! Tells to which resource template a URI belongs (RFC 6570, as far as matching backwards can be done at all).

/// A template taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// `{name}`: at least one character, no `/`.
    Segment,
    /// Any other expression, such as `{+path}` or `{?query}`: whatever is there, or nothing.
    Anything,
}

impl Template {
    /// Takes a template apart. An expression that does not end is text.
    pub(crate) fn parse(text: &str) -> Self {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((literal, after)) = rest.split_once('{') {
            let Some((expression, after)) = after.split_once('}') else { break };
            if !literal.is_empty() {
                parts.push(Part::Literal(literal.to_owned()));
            }
            let simple =
                expression.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'%'));
            parts.push(if simple { Part::Segment } else { Part::Anything });
            rest = after;
        }
        if !rest.is_empty() {
            parts.push(Part::Literal(rest.to_owned()));
        }
        Self(parts)
    }

    /// How much of the URI is the template's own text, or `None` if the URI is not of this template.
    pub(crate) fn matches(&self, uri: &str) -> Option<usize> {
        // All places up to which the parts so far can reach. Keeping them all, instead of trying one after the other, bounds the
        // work by the product of both lengths whatever a server writes into its template.
        let mut ends = vec![false; uri.len() + 1];
        *ends.first_mut()? = true;
        for part in &self.0 {
            let mut next = vec![false; uri.len() + 1];
            match part {
                Part::Literal(text) => {
                    for (at, _) in ends.iter().enumerate().filter(|(_, reached)| **reached) {
                        if uri.get(at..).is_some_and(|rest| rest.starts_with(text.as_str()))
                            && let Some(end) = next.get_mut(at + text.len())
                        {
                            *end = true;
                        }
                    }
                }
                Part::Segment => spread(&ends, &mut next, uri, true),
                Part::Anything => spread(&ends, &mut next, uri, false),
            }
            ends = next;
        }
        let own = |part: &Part| if let Part::Literal(text) = part { text.len() } else { 0 };
        ends.last().is_some_and(|reached| *reached).then(|| self.0.iter().map(own).sum())
    }
}

/// Goes on from every place that was reached, up to the next `/` and at least one byte for a segment, else to the end.
fn spread(from: &[bool], to: &mut [bool], uri: &str, segment: bool) {
    let mut open = false;
    for (at, reached) in from.iter().enumerate() {
        if let Some(end) = to.get_mut(at) {
            *end = open || (*reached && !segment);
        }
        open |= reached;
        if segment && uri.as_bytes().get(at) == Some(&b'/') {
            open = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching() {
        for (template, uri, own) in [
            ("test://template/{id}/data", "test://template/7/data", Some(21)),
            ("test://template/{id}/data", "test://template//data", None),
            ("test://template/{id}/data", "test://template/7/8/data", None),
            ("test://template/{id}/data", "test://template/7/dat", None),
            ("file:///{+path}", "file:///a/b/c", Some(8)),
            ("file:///{+path}", "file:///", Some(8)),
            ("a{x}b{y}c", "a1bb2c", Some(3)),
            ("{x}", "abc", Some(0)),
            ("{x}", "", None),
            ("q://s{?a,b}", "q://s?a=1&b=2", Some(5)),
            ("plain", "plain", Some(5)),
            ("open{brace", "open{brace", Some(10)),
            ("u://{x}", "u://grüße", Some(4)),
        ] {
            assert_eq!(Template::parse(template).matches(uri), own, "{template} {uri}");
        }
    }

    #[test]
    fn a_nasty_template_takes_no_time() {
        let template = Template::parse(&"{+a}x".repeat(50));
        assert_eq!(template.matches(&"x".repeat(2000)), Some(50));
        assert_eq!(template.matches(&"y".repeat(2000)), None);
    }
}
