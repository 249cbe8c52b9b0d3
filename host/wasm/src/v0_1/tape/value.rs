//! From the JSON of a tape to values of the component model, by their types.

use serde_json::Value;
use wasmtime::component::Val;
use wasmtime::component::types::Type;

/// What a handle in an answer becomes: something that leads nowhere.
pub(super) trait Handles {
    /// A handle of that type.
    fn handle(&mut self, kind: &Type) -> Option<Val>;
}

/// The value of that type; `None`: the tape holds something else.
pub(super) fn val(json: &Value, kind: &Type, handles: &mut impl Handles) -> Option<Val> {
    let unsigned = || json.as_u64();
    let signed = || json.as_i64();
    Some(match kind {
        Type::Bool => Val::Bool(json.as_bool()?),
        Type::U8 => Val::U8(unsigned()?.try_into().ok()?),
        Type::U16 => Val::U16(unsigned()?.try_into().ok()?),
        Type::U32 => Val::U32(unsigned()?.try_into().ok()?),
        Type::U64 => Val::U64(unsigned()?),
        Type::S8 => Val::S8(signed()?.try_into().ok()?),
        Type::S16 => Val::S16(signed()?.try_into().ok()?),
        Type::S32 => Val::S32(signed()?.try_into().ok()?),
        Type::S64 => Val::S64(signed()?),
        Type::String => Val::String(json.as_str()?.to_owned()),
        Type::List(list) => {
            let items = json.as_array()?.iter().map(|item| val(item, &list.ty(), handles));
            Val::List(items.collect::<Option<_>>()?)
        }
        Type::Tuple(tuple) => {
            let items = json.as_array()?;
            let types: Vec<Type> = tuple.types().collect();
            if items.len() != types.len() {
                return None;
            }
            let items = items.iter().zip(&types).map(|(item, kind)| val(item, kind, handles));
            Val::Tuple(items.collect::<Option<_>>()?)
        }
        Type::Record(record) => {
            let map = json.as_object()?;
            let mut fields = Vec::new();
            for field in record.fields() {
                fields.push((field.name.to_owned(), val(map.get(field.name)?, &field.ty, handles)?));
            }
            Val::Record(fields)
        }
        Type::Enum(cases) => {
            let case = json.as_str()?;
            let name = cases.names().find(|name| camel(name) == case)?;
            Val::Enum(name.to_owned())
        }
        Type::Variant(variant) => {
            let (case, inside) = case(json)?;
            let found = variant.cases().find(|known| camel(known.name) == case)?;
            let inside = match &found.ty {
                Some(kind) => Some(Box::new(val(inside?, kind, handles)?)),
                None => None,
            };
            Val::Variant(found.name.to_owned(), inside)
        }
        Type::Option(option) => match case(json)? {
            ("None", None) => Val::Option(None),
            ("Some", Some(inside)) => Val::Option(Some(Box::new(val(inside, &option.ty(), handles)?))),
            _ => return None,
        },
        Type::Result(result) => {
            let (name, inside) = case(json)?;
            let kind = if name == "Ok" { result.ok() } else { result.err() };
            let inside = match kind {
                Some(kind) => Some(Box::new(val(inside?, &kind, handles)?)),
                None => None,
            };
            match name {
                "Ok" => Val::Result(Ok(inside)),
                "Err" => Val::Result(Err(inside)),
                _ => return None,
            }
        }
        Type::Own(_) | Type::Borrow(_) => handles.handle(kind)?,
        _ => return None,
    })
}

/// A case, and what it holds.
fn case(json: &Value) -> Option<(&str, Option<&Value>)> {
    match json {
        Value::String(name) => Some((name, None)),
        Value::Object(map) if map.len() == 1 => {
            map.iter().next().map(|(name, value)| (name.as_str(), Some(value)))
        }
        _ => None,
    }
}

/// `not-found` is `NotFound` in Rust.
fn camel(name: &str) -> String {
    name.split('-')
        .map(|word| {
            let mut letters = word.chars();
            let first = letters.next().map(|c| c.to_ascii_uppercase());
            first.into_iter().chain(letters).collect::<String>()
        })
        .collect()
}

/// What a plugin asked, as the tape has it. The other direction of [`val`], for comparing.
pub(super) fn json(val: &Val) -> Value {
    match val {
        Val::Bool(flag) => Value::from(*flag),
        Val::S8(number) => Value::from(*number),
        Val::U8(number) => Value::from(*number),
        Val::S16(number) => Value::from(*number),
        Val::U16(number) => Value::from(*number),
        Val::S32(number) => Value::from(*number),
        Val::U32(number) => Value::from(*number),
        Val::S64(number) => Value::from(*number),
        Val::U64(number) => Value::from(*number),
        Val::String(text) => Value::from(text.as_str()),
        Val::List(items) | Val::Tuple(items) => items.iter().map(json).collect(),
        Val::Record(fields) => fields.iter().map(|(name, value)| (name.clone(), json(value))).collect(),
        Val::Enum(name) => Value::from(camel(name)),
        Val::Variant(name, inside) => named(&camel(name), inside.as_deref()),
        Val::Option(None) => Value::from("None"),
        Val::Option(Some(inside)) => named("Some", Some(inside)),
        Val::Result(Ok(inside)) => named("Ok", inside.as_deref()),
        Val::Result(Err(inside)) => named("Err", inside.as_deref()),
        // Handles have other numbers each time.
        _ => Value::Null,
    }
}

fn named(name: &str, inside: Option<&Val>) -> Value {
    match inside {
        None => Value::from(name),
        Some(inside) => [(name.to_owned(), json(inside))].into_iter().collect(),
    }
}
