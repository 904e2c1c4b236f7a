//! The macros that declare the tables of the registry.

use super::registry::Entry;

/// Declares a table: one constructor and one static entry per op, in source order, and `ENTRIES`.
macro_rules! entries {
    ($kind:ty; $($name:ident {
        aliases: [$($alias:expr),* $(,)?],
        params: [$($param:expr),* $(,)?],
        formula: $formula:literal,
        source: $source:literal,
        kind: $value:expr $(,)?
    })*) => {
        mod entries {
            $(pub(super) mod $name {
                #[allow(unused_imports, reason = "an entry need not use all its family offers")]
                use super::super::*;
                pub(in super::super) static ENTRY: Entry<$kind> = Entry {
                    name: stringify!($name),
                    aliases: &[$($alias),*],
                    params: &[$($param),*],
                    formula: $formula,
                    source: $source,
                    kind: $value,
                };
            })*
        }

        pub(super) static ENTRIES: &[&Entry<$kind>] = &[$(&entries::$name::ENTRY),*];

        impl Choice<$kind> {
            $(
                #[doc = concat!("`", $formula, "`")]
                #[doc = ""]
                #[doc = concat!("Source: ", $source, ".")]
                pub fn $name() -> Self {
                    Self::of(&entries::$name::ENTRY)
                }
            )*
        }
    };
}
pub(crate) use entries;

/// Declares a family from its tables; their order is the order of `all()`.
macro_rules! registry {
    ($kind:ty, $family:literal, $tables:expr) => {
        impl Kind for $kind {
            const FAMILY: &'static str = $family;

            fn all() -> &'static [&'static Entry<Self>] {
                const TABLES: &[&[&Entry<$kind>]] = &$tables;
                static ALL: [&Entry<$kind>; crate::spec::entries::total(TABLES)] =
                    crate::spec::entries::join(TABLES);
                &ALL
            }
        }
    };
}
pub(crate) use registry;

/// The total number of entries in the tables.
#[allow(clippy::indexing_slicing, reason = "runs while compiling")]
pub(crate) const fn total<K>(tables: &[&[&'static Entry<K>]]) -> usize {
    let (mut total, mut table) = (0, 0);
    while table < tables.len() {
        total += tables[table].len();
        table += 1;
    }
    total
}

/// The concatenation of the tables, which have `N` entries in total.
#[allow(clippy::indexing_slicing, reason = "runs while compiling")]
pub(crate) const fn join<K, const N: usize>(
    tables: &[&[&'static Entry<K>]],
) -> [&'static Entry<K>; N] {
    let mut all = [tables[0][0]; N];
    let (mut place, mut table, mut row) = (0, 0, 0);
    while place < N {
        if row == tables[table].len() {
            (table, row) = (table + 1, 0);
        } else {
            all[place] = tables[table][row];
            (place, row) = (place + 1, row + 1);
        }
    }
    all
}
