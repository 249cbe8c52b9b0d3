//! Doubles of clouds, with real servers behind them: where a cloud would start a container, these start it on the local engine.
//!
//! [`StandIn`] stands before moto and does what AWS does and moto does not; [`CloudRunDouble`] is Cloud Run Admin v2, Secret Manager and the tokens of
//! Google, as far as the plugin asks, and strict: what it does not know it refuses, and remembers.

mod containers;
mod disturbed;
mod ecs;
mod fields;
mod front;
mod google;
mod run;

pub use disturbed::Disturbance;
pub use ecs::StandIn;
pub use google::ServiceAccountFile;
pub use run::CloudRunDouble;
