//! Training inside somebody else's frame: their device, their encoder, their handlers.

#[path = "../support/mod.rs"]
mod support;

mod arena;
mod arguments;
mod counts;
mod destroyed;
mod devices;
mod frames;
mod host;
mod limits;
mod live;
mod lost;
mod lowered;
mod order;
mod overlap;
mod own_test;
mod usage;
mod views;
