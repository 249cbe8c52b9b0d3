//! The template language of catalogue entries: `{{server.key|pipe}}`, as Docker's gateway evaluates it (`docker-mcp-gateway.md` 10).
//!
//! A text is literal runs and expressions. One expression alone keeps its list, several things become one text. What is looked up and
//! is not there is empty; the paths are named in [`Evaluated::missing`], and whoever knows the entry decides whether that is an error.
//!
//! Five things differ on purpose from the original, each a fault of it that `provisioning.md` 1.7 and section 32 name:
//!
//! * Braces that belong to no expression stay: `{"a":"{{s}}"}` keeps its braces, `${K}x` in a command is `${K}x`.
//! * A number, flag or map alone in a list context is written as JSON writes it, not as the name of its type.
//! * Numbers have no exponent where JSON as people write it has none: `1000000`, not `1e+06`.
//! * `or:[]` gives an empty list also where the value is missing, so `{{paths|or:[]|volume|into}}` vanishes instead of mounting `[]`.
//! * `default:` is another word for `or:`.

mod lint;
mod pipe;
mod text;

pub use lint::complaints;

use host_config::{Map, Value};
use text::{json, size, text_of};

/// What a text became.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evaluated<T> {
    /// Its value.
    pub value: T,
    /// Paths that had no value, no `or:` and no `mount_as:`; their place is empty.
    pub missing: Vec<String>,
}

/// The most that one template may become, in bytes. `|volume` doubles a text, so forty of them in a catalogue would fill any memory.
pub const MAX_BYTES: usize = 1 << 20;

/// A template became larger than [`MAX_BYTES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a template becomes larger than 1 MiB")]
pub struct TooLarge;

/// Whether a text is evaluated at all where that is optional: `env` and `user` are left alone without both pairs of braces.
#[must_use]
pub fn is_template(text: &str) -> bool {
    text.contains("{{") && text.contains("}}")
}

/// The roots of a server's templates: its canonical name with its configuration below it.
#[must_use]
pub fn server_root(canonical_name: &str, configuration: Option<&Map>) -> Map {
    let configuration = configuration.cloned().unwrap_or_default();
    Map { entries: vec![(canonical_name.to_owned(), Value::Map(configuration))], has_other_keys: false }
}

/// Evaluates to one text: variables, users.
///
/// # Errors
/// It becomes too large.
pub fn text(template: &str, root: &Map) -> Result<Evaluated<String>, TooLarge> {
    let mut missing = Vec::new();
    let value = text_of(&evaluate(template, root, &mut missing)?);
    Ok(Evaluated { value, missing })
}

/// Evaluates to any number of texts: a word of a command, a volume. A list is spread, everything else is one text, also an empty one.
///
/// # Errors
/// It becomes too large.
pub fn words(template: &str, root: &Map) -> Result<Evaluated<Vec<String>>, TooLarge> {
    let mut missing = Vec::new();
    let value = match evaluate(template, root, &mut missing)? {
        Value::List(items) => items.iter().map(text::element).collect(),
        map @ Value::Map(_) => vec![json(&map)],
        scalar => vec![text_of(&scalar)],
    };
    Ok(Evaluated { value, missing })
}

fn evaluate(template: &str, root: &Map, missing: &mut Vec<String>) -> Result<Value, TooLarge> {
    let tokens = tokens(template);
    if let [token] = tokens.as_slice() {
        return token.value(root, missing);
    }
    let mut whole = String::new();
    for token in tokens {
        whole.push_str(&text_of(&token.value(root, missing)?));
        if whole.len() > MAX_BYTES {
            return Err(TooLarge);
        }
    }
    Ok(Value::Text(whole))
}

/// A piece of a template.
#[derive(Debug, PartialEq, Eq)]
enum Token<'t> {
    Literal(&'t str),
    /// What stands between the braces.
    Expression(&'t str),
}

impl Token<'_> {
    fn value(&self, root: &Map, missing: &mut Vec<String>) -> Result<Value, TooLarge> {
        let inside = match self {
            Token::Literal(text) => return Ok(Value::Text((*text).to_owned())),
            Token::Expression(inside) => inside,
        };
        let mut parts = inside.split('|');
        let path = parts.next().unwrap_or_default().trim();
        let found = lookup(path, root);
        let mut optional = found.is_some();
        if found.is_some_and(|value| size(value) > MAX_BYTES) {
            return Err(TooLarge);
        }
        let mut value = found.cloned().unwrap_or_else(|| Value::Text(String::new()));
        for word in parts {
            let pipe = pipe::parse(word);
            optional |= pipe.as_ref().is_some_and(pipe::Pipe::expects_nothing);
            if let Some(pipe) = pipe {
                value = pipe.apply(value);
                // A pipe does little more than double what it is given, so that this is soon enough.
                if size(&value) > MAX_BYTES {
                    return Err(TooLarge);
                }
            }
        }
        if !optional {
            missing.push(path.to_owned());
        }
        Ok(value)
    }
}

/// A piece of a template whose values are not known here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'t> {
    /// Text.
    Literal(&'t str),
    /// A value by its path, and what `or:` says to take where there is none.
    Path {
        /// `acme.region`.
        path: &'t str,
        /// Behind the first `or:`.
        default: Option<&'t str>,
    },
    /// An expression with other pipes, which need the value itself.
    Pipes(&'t str),
}

/// The pieces of a template, for those who can only pass on where a value is, and not what it is. Words that are no pipes do nothing here too.
#[must_use]
pub fn pieces(template: &str) -> Vec<Piece<'_>> {
    tokens(template)
        .into_iter()
        .map(|token| match token {
            Token::Literal(text) => Piece::Literal(text),
            Token::Expression(inside) => {
                let mut parts = inside.split('|');
                let path = parts.next().unwrap_or_default().trim();
                let mut default = None;
                for pipe in parts.filter_map(pipe::parse) {
                    match pipe {
                        // A second one would only matter if the first gave nothing.
                        pipe::Pipe::Or(other) if default.is_none_or(str::is_empty) => default = Some(other),
                        pipe::Pipe::Or(_) => {}
                        _ => return Piece::Pipes(inside),
                    }
                }
                Piece::Path { path, default }
            }
        })
        .collect()
}

/// Cuts a template into literals and expressions. An expression begins at the innermost of several opening braces, ends at the first
/// `}}`, and does not span lines.
fn tokens(template: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut literal = 0;
    let mut at = 0;
    while let Some(found) = template.get(at..).and_then(|rest| rest.find("{{")) {
        let braces =
            template.get(at + found..).unwrap_or_default().bytes().take_while(|b| *b == b'{').count();
        let inside_at = at + found + braces;
        let inside = template.get(inside_at..).unwrap_or_default();
        let Some(end) = inside.find("}}") else { break };
        if let Some(line) = inside.get(..end).and_then(|inside| inside.rfind('\n')) {
            at = inside_at + line + 1;
            continue;
        }
        let start = inside_at - 2;
        if literal < start {
            tokens.push(Token::Literal(template.get(literal..start).unwrap_or_default()));
        }
        tokens.push(Token::Expression(inside.get(..end).unwrap_or_default()));
        at = inside_at + end + 2;
        literal = at;
    }
    if literal < template.len() {
        tokens.push(Token::Literal(template.get(literal..).unwrap_or_default()));
    }
    tokens
}

/// Follows a dotted path. Every map on the way must have text keys only (section 10.2).
fn lookup<'r>(path: &str, root: &'r Map) -> Option<&'r Value> {
    let mut segments = path.split('.').map(str::trim);
    let mut value = root.get(segments.next()?)?;
    for segment in segments {
        let map = value.as_map().filter(|map| !map.has_other_keys)?;
        value = map.get(segment)?;
    }
    Some(value)
}

#[cfg(test)]
mod tests;
