//! Internals for the tests and benches of this repository. They may change in any release.

pub use crate::engine::gpu::{Dispatch, kernel, texture_kernels};
pub use crate::ir::op::Op;
pub use crate::ir::slot::Place;
pub use crate::ops::UpdateOp;
#[cfg(not(target_family = "wasm"))]
pub use crate::self_test::export;

/// The definitions in the registry.
pub mod spec {
    pub mod activation {
        pub use crate::spec::activation::*;
    }
    pub mod initializer {
        pub use crate::spec::initializer::*;
    }
    pub mod loss {
        pub use crate::spec::loss::*;
    }
    pub mod norm {
        pub use crate::spec::norm::*;
    }
    pub mod optimizer {
        pub use crate::spec::optimizer::*;
    }
    pub mod schedule {
        pub use crate::spec::schedule::*;
    }
}
