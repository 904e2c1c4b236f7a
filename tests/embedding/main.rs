//! Training inside somebody else's frame: their device, their encoder, their handlers.

#[path = "../support/mod.rs"]
mod support;

mod arena;
mod counts;
mod frames;
mod host;
mod limits;
mod live;
mod lost;
mod order;
mod own_test;
mod usage;
mod views;
