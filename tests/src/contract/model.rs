//! What the reference page and the tests need of a package, taken out of the parser's own graph.

#![expect(clippy::indexing_slicing, reason = "the index is an id that the same graph gave out")]

use super::Contract;
use anyhow::{Context as _, bail};
use wit_parser::{
    Docs, Function as ParsedFunction, Handle, InterfaceId, PackageId, Resolve, Type as ParsedType,
    TypeDefKind, TypeId, TypeOwner, WorldItem, WorldKey,
};

/// What one kind of plugin imports and exports. Includes are already resolved.
#[derive(Debug)]
pub struct World {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub docs: Option<String>,
    /// Names of interfaces, sorted.
    pub imports: Vec<String>,
    /// Names of interfaces, in the order of the file.
    pub exports: Vec<String>,
}

/// One interface.
#[derive(Debug)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub docs: Option<String>,
    /// Its own types, in the order of the file; types that it uses from others are not here.
    pub types: Vec<TypeItem>,
    /// Its functions without methods, in the order of the file.
    pub functions: Vec<Function>,
}

/// A named type.
#[derive(Debug)]
pub struct TypeItem {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub docs: Option<String>,
    /// What it is.
    pub shape: Shape,
}

/// What a named type is made of.
#[derive(Debug)]
pub enum Shape {
    /// Fields.
    Record(Vec<Member>),
    /// Cases, some with a payload.
    Variant(Vec<Member>),
    /// Cases without payload.
    Enum(Vec<Member>),
    /// Bits.
    Flags(Vec<Member>),
    /// Another name for a type.
    Alias(Type),
    /// Something of the host that is known by handle; its methods.
    Resource(Vec<Function>),
}

impl Shape {
    /// The word of the language for it.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Record(_) => "record",
            Self::Variant(_) => "variant",
            Self::Enum(_) => "enum",
            Self::Flags(_) => "flags",
            Self::Alias(_) => "type",
            Self::Resource(_) => "resource",
        }
    }

    /// Fields or cases; empty for an alias and a resource.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        match self {
            Self::Record(m) | Self::Variant(m) | Self::Enum(m) | Self::Flags(m) => m,
            Self::Alias(_) | Self::Resource(_) => &[],
        }
    }

    /// Names of fields, cases or methods.
    pub(super) fn part_names(&self) -> Vec<&str> {
        match self {
            Self::Resource(functions) => functions.iter().map(|f| f.name.as_str()).collect(),
            _ => self.members().iter().map(|m| m.name.as_str()).collect(),
        }
    }
}

/// A field or a case.
#[derive(Debug)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Its comment.
    pub docs: Option<String>,
    /// Type of the field, payload of the case.
    pub ty: Option<Type>,
}

/// A function or method. The receiver of a method is left out.
#[derive(Debug)]
pub struct Function {
    /// Its name, without that of the resource.
    pub name: String,
    /// Its comment.
    pub docs: Option<String>,
    /// Component-model `async`.
    pub is_async: bool,
    /// Names and types.
    pub parameters: Vec<(String, Type)>,
    /// What it returns, if anything.
    pub result: Option<Type>,
}

/// A type as it is written, with the named types in it marked.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Type(pub Vec<Piece>);

/// A piece of a written type.
#[derive(Debug, PartialEq, Eq)]
pub enum Piece {
    /// `list<`, `u32`.
    Text(String),
    /// A named type.
    Named {
        /// Interface that declares it.
        interface: String,
        /// Its name there.
        name: String,
    },
}

impl std::fmt::Display for Type {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => f.write_str(text),
            Piece::Named { name, .. } => f.write_str(name),
        })
    }
}

/// Takes one package out of the parser's graph.
pub(super) fn contract(resolve: &Resolve, package: PackageId) -> anyhow::Result<Contract> {
    let package = &resolve.packages[package];
    let worlds = package
        .worlds
        .values()
        .map(|id| world(resolve, &resolve.worlds[*id]))
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut interfaces =
        package.interfaces.values().map(|id| interface(resolve, *id)).collect::<anyhow::Result<Vec<_>>>()?;
    let everyone = worlds.iter().find(|w| w.name == "ungranted").map_or(&[][..], |w| w.imports.as_slice());
    let exports = worlds.iter().find(|w| w.name == "plugin").map_or(&[][..], |w| w.exports.as_slice());
    interfaces.sort_by_key(|i| {
        let place = match exports.iter().position(|name| *name == i.name) {
            Some(place) => place,
            None if i.functions.is_empty() => exports.len(),
            None if everyone.contains(&i.name) => exports.len() + 1,
            None => exports.len() + 2,
        };
        (place, i.name.clone())
    });
    Ok(Contract { name: package.name.to_string(), docs: text(&package.docs), worlds, interfaces })
}

fn world(resolve: &Resolve, world: &wit_parser::World) -> anyhow::Result<World> {
    let names = |items: &wit_parser::IndexMap<WorldKey, WorldItem>| {
        items
            .keys()
            .map(|key| match key {
                WorldKey::Interface(id) => interface_name(resolve, *id),
                WorldKey::Name(name) => bail!("world `{}` has `{name}` outside an interface", world.name),
            })
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let mut imports = names(&world.imports)?;
    imports.sort();
    Ok(World { name: world.name.clone(), docs: text(&world.docs), imports, exports: names(&world.exports)? })
}

fn interface(resolve: &Resolve, id: InterfaceId) -> anyhow::Result<Interface> {
    let parsed = &resolve.interfaces[id];
    let mut types = Vec::new();
    for (name, ty) in &parsed.types {
        if !is_use(resolve, id, *ty) {
            types.push(type_item(resolve, id, name, *ty).with_context(|| format!("type `{name}`"))?);
        }
    }
    let functions = parsed
        .functions
        .values()
        .filter(|f| f.kind.resource().is_none())
        .map(|f| function(resolve, f))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Interface { name: interface_name(resolve, id)?, docs: text(&parsed.docs), types, functions })
}

/// Whether a type of an interface is only there because the interface uses it from another one.
fn is_use(resolve: &Resolve, interface: InterfaceId, ty: TypeId) -> bool {
    match resolve.types[ty].kind {
        TypeDefKind::Type(ParsedType::Id(of)) => match resolve.types[of].owner {
            TypeOwner::Interface(owner) => owner != interface,
            TypeOwner::World(_) | TypeOwner::None => false,
        },
        _ => false,
    }
}

fn type_item(resolve: &Resolve, interface: InterfaceId, name: &str, id: TypeId) -> anyhow::Result<TypeItem> {
    let parsed = &resolve.types[id];
    let member = |name: &str, docs: &Docs, ty: Option<&ParsedType>| -> anyhow::Result<Member> {
        let ty = ty.map(|ty| written(resolve, ty)).transpose()?;
        Ok(Member { name: name.to_owned(), docs: text(docs), ty })
    };
    let shape = match &parsed.kind {
        TypeDefKind::Record(r) => Shape::Record(
            r.fields.iter().map(|f| member(&f.name, &f.docs, Some(&f.ty))).collect::<Result<_, _>>()?,
        ),
        TypeDefKind::Variant(v) => Shape::Variant(
            v.cases.iter().map(|c| member(&c.name, &c.docs, c.ty.as_ref())).collect::<Result<_, _>>()?,
        ),
        TypeDefKind::Enum(e) => {
            Shape::Enum(e.cases.iter().map(|c| member(&c.name, &c.docs, None)).collect::<Result<_, _>>()?)
        }
        TypeDefKind::Flags(f) => {
            Shape::Flags(f.flags.iter().map(|f| member(&f.name, &f.docs, None)).collect::<Result<_, _>>()?)
        }
        TypeDefKind::Resource => Shape::Resource(
            resolve.interfaces[interface]
                .functions
                .values()
                .filter(|f| f.kind.resource() == Some(id))
                .map(|f| function(resolve, f))
                .collect::<Result<_, _>>()?,
        ),
        other => {
            let mut alias = Type::default();
            push_kind(resolve, other, &mut alias.0)?;
            Shape::Alias(alias)
        }
    };
    Ok(TypeItem { name: name.to_owned(), docs: text(&parsed.docs), shape })
}

fn function(resolve: &Resolve, parsed: &ParsedFunction) -> anyhow::Result<Function> {
    let receiver = usize::from(matches!(
        parsed.kind,
        wit_parser::FunctionKind::Method(_) | wit_parser::FunctionKind::AsyncMethod(_)
    ));
    let parameters = parsed
        .params
        .iter()
        .skip(receiver)
        .map(|p| Ok((p.name.clone(), written(resolve, &p.ty)?)))
        .collect::<anyhow::Result<Vec<_>>>()?;
    Ok(Function {
        name: parsed.item_name().to_owned(),
        docs: text(&parsed.docs),
        is_async: parsed.kind.is_async(),
        parameters,
        result: parsed.result.as_ref().map(|ty| written(resolve, ty)).transpose()?,
    })
}

fn written(resolve: &Resolve, ty: &ParsedType) -> anyhow::Result<Type> {
    let mut whole = Type::default();
    push(resolve, ty, &mut whole.0)?;
    Ok(whole)
}

fn push(resolve: &Resolve, ty: &ParsedType, out: &mut Vec<Piece>) -> anyhow::Result<()> {
    let word = match ty {
        ParsedType::Bool => "bool",
        ParsedType::U8 => "u8",
        ParsedType::U16 => "u16",
        ParsedType::U32 => "u32",
        ParsedType::U64 => "u64",
        ParsedType::S8 => "s8",
        ParsedType::S16 => "s16",
        ParsedType::S32 => "s32",
        ParsedType::S64 => "s64",
        ParsedType::F32 => "f32",
        ParsedType::F64 => "f64",
        ParsedType::Char => "char",
        ParsedType::String => "string",
        ParsedType::ErrorContext => "error-context",
        ParsedType::Id(id) => return push_id(resolve, *id, out),
    };
    push_text(word, out);
    Ok(())
}

fn push_id(resolve: &Resolve, id: TypeId, out: &mut Vec<Piece>) -> anyhow::Result<()> {
    let parsed = &resolve.types[id];
    match (&parsed.name, parsed.owner) {
        (Some(_), TypeOwner::Interface(owner)) if is_use(resolve, owner, id) => {
            // A used type is shown where it is declared.
            push_kind(resolve, &parsed.kind, out)
        }
        (Some(name), TypeOwner::Interface(owner)) => {
            out.push(Piece::Named { interface: interface_name(resolve, owner)?, name: name.clone() });
            Ok(())
        }
        _ => push_kind(resolve, &parsed.kind, out),
    }
}

fn push_kind(resolve: &Resolve, kind: &TypeDefKind, out: &mut Vec<Piece>) -> anyhow::Result<()> {
    match kind {
        TypeDefKind::Type(ty) => push(resolve, ty, out),
        TypeDefKind::Handle(Handle::Own(id)) => push_id(resolve, *id, out),
        TypeDefKind::Handle(Handle::Borrow(id)) => wrap("borrow", [Some(&ParsedType::Id(*id))], resolve, out),
        TypeDefKind::Option(ty) => wrap("option", [Some(ty)], resolve, out),
        TypeDefKind::List(ty) => wrap("list", [Some(ty)], resolve, out),
        TypeDefKind::Tuple(tuple) => wrap("tuple", tuple.types.iter().map(Some), resolve, out),
        TypeDefKind::Result(r) => match (&r.ok, &r.err) {
            (None, None) => {
                push_text("result", out);
                Ok(())
            }
            (ok, None) => wrap("result", [ok.as_ref()], resolve, out),
            (ok, err) => wrap("result", [ok.as_ref(), err.as_ref()], resolve, out),
        },
        other => bail!("the reference page has no words for `{}` yet", other.as_str()),
    }
}

fn wrap<'a>(
    word: &str,
    inner: impl IntoIterator<Item = Option<&'a ParsedType>>,
    resolve: &Resolve,
    out: &mut Vec<Piece>,
) -> anyhow::Result<()> {
    push_text(word, out);
    for (i, ty) in inner.into_iter().enumerate() {
        push_text(if i == 0 { "<" } else { ", " }, out);
        match ty {
            Some(ty) => push(resolve, ty, out)?,
            None => push_text("_", out),
        }
    }
    push_text(">", out);
    Ok(())
}

fn push_text(text: &str, out: &mut Vec<Piece>) {
    match out.last_mut() {
        Some(Piece::Text(last)) => last.push_str(text),
        _ => out.push(Piece::Text(text.to_owned())),
    }
}

fn interface_name(resolve: &Resolve, id: InterfaceId) -> anyhow::Result<String> {
    resolve.interfaces[id].name.clone().context("an interface without a name")
}

fn text(docs: &Docs) -> Option<String> {
    docs.contents.as_deref().map(str::trim).filter(|t| !t.is_empty()).map(str::to_owned)
}
