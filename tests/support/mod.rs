//! What the integration tests share. Each test file uses a part of it.
#![allow(dead_code, reason = "every test file compiles the whole module")]

pub mod adapter;
pub mod draw;
pub mod golden;
pub mod kernel;
pub mod loss_inputs;
pub mod losses;
pub mod measured;
pub mod nets;
pub mod options;
pub mod reflect;
pub mod run;
pub mod tolerance;
pub mod values;
pub mod weights;
