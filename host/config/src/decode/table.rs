//! The tables of keys: what the decoder accepts and what the reference page says.

/// The keys of one kind of map.
#[derive(Debug)]
pub(crate) struct Table {
    /// Heading in the reference.
    pub(crate) title: &'static str,
    /// What the map is for.
    pub(crate) about: &'static str,
    /// The keys, in groups so that two tables can share one.
    pub(crate) groups: &'static [&'static [Key]],
    /// Keys that are known to carry nothing for us; they give no warning.
    pub(crate) ignored: &'static [&'static str],
    /// The way out for a key that is not in the table, where there is a better one than the nearest key.
    pub(crate) hint: fn(&str) -> Option<&'static str>,
}

impl Table {
    /// A table of our own files.
    pub(crate) const fn new(
        title: &'static str,
        about: &'static str,
        groups: &'static [&'static [Key]],
    ) -> Table {
        Table { title, about, groups, ignored: &[], hint: |_| None }
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &'static Key> + Clone {
        self.groups.iter().flat_map(|group| group.iter())
    }

    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys().find(|key| key.name == name)
    }
}

/// One key of a table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) form: Form,
    /// What holds if the key is absent, as written in the file; empty where absence says it all.
    pub(crate) default: &'static str,
    /// What the key means, as a sentence.
    pub(crate) about: &'static str,
}

/// A key without a default.
pub(crate) const fn key(name: &'static str, form: Form, about: &'static str) -> Key {
    Key { name, form, default: "", about }
}

impl Key {
    /// The same key with the default the reference names.
    pub(crate) const fn or(self, default: &'static str) -> Key {
        Key { default, ..self }
    }
}

/// The form a value must have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// Any scalar, as written.
    Text,
    /// `true` or `false`.
    Flag,
    /// A whole number.
    Integer,
    /// An amount of memory.
    Size,
    /// A length of time.
    Duration,
    /// A number of processors.
    Cpus,
    /// A file or folder.
    Path,
    /// A text that follows rules of its own; the reference calls it by this name.
    Special(&'static str),
    /// One of some words.
    Choice(&'static [&'static str]),
    /// Anything.
    Any,
    /// A list.
    List(&'static Form),
    /// A map from names.
    Map(&'static Form),
    /// A map with known keys.
    Group(&'static Table),
    /// The same, or `true` for all its defaults.
    GroupOrTrue(&'static Table),
}

impl Form {
    pub(crate) fn is_text(&self) -> bool {
        matches!(self, Form::Text)
    }

    pub(crate) fn is_parsed(&self) -> bool {
        matches!(self, Form::Size | Form::Duration | Form::Cpus | Form::Special(_))
    }

    /// The table of the maps this form is made of.
    pub(crate) fn table(&self) -> &'static Table {
        match self {
            Form::Group(table) | Form::GroupOrTrue(table) => table,
            Form::List(form) | Form::Map(form) => form.table(),
            _ => unreachable!("code asks for maps only where its table says so"),
        }
    }
}
