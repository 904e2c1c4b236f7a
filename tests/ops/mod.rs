//! Every op on the device against the `f64` reference.

mod activation;
mod algebra;
mod composed;
mod ctc;
mod empty;
mod linear_training;
mod loss;
mod metric;
mod noise;
mod norm;
mod not_a_number;
mod optimizer;
mod rates;
mod row;
mod scan;
mod shapes;
mod symmetric;
mod textbook;
mod turns;
