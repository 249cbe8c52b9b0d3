//! Recording and playing at the border of this track: `wrap` hears what the host functions answer, `play` stands in their place.

mod play;
mod text;
mod value;
mod wrap;

pub(crate) use play::play;
pub(crate) use wrap::{Data, recorded};
