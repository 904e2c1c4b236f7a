//! The macros that declare the tables of the registry.

/// Declares a table: one constructor and one static entry per op, in the order written, and `ENTRIES`.
macro_rules! entries {
    ($kind:ty; $($name:ident {
        aliases: [$($alias:expr),* $(,)?],
        params: [$($param:expr),* $(,)?],
        formula: $formula:literal,
        source: $source:literal,
        kind: $value:expr $(,)?
    })*) => {
        mod entries {
            $(pub mod $name {
                #[allow(unused_imports, reason = "an entry need not use all its family offers")]
                use super::super::*;
                pub static ENTRY: Entry<$kind> = Entry {
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

/// Declares a family of a single table.
macro_rules! registry {
    ($kind:ty, $family:literal; $($table:tt)*) => {
        crate::spec::entries::entries! { $kind; $($table)* }

        impl Kind for $kind {
            const FAMILY: &'static str = $family;
            fn all() -> &'static [&'static Entry<Self>] {
                ENTRIES
            }
        }
    };
}
pub(crate) use registry;
